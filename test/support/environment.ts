/** The process's variables without any setting of ours, for commands whose defaults are under test. */
export const plainEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("EARWITNESS_")));
