import tseslint from "typescript-eslint";

const edges = ["node:*", "ws", "@grpc/*", "onnxruntime-node", "pino", "zod", "prom-client", "opus-decoder"];

export default tseslint.config(
  { ignores: ["dist", "src/gen", "**/*.js", "training", "clients/browser"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            { from: "package", package: "node:test", name: ["it", "test", "describe", "suite"] },
          ],
        },
      ],
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: false },
      ],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/consistent-type-definitions": "off",
      "max-lines": ["error", { max: 300, skipBlankLines: true, skipComments: true }],
      "max-lines-per-function": ["error", { max: 50 }],
      complexity: ["error", 10],
      "no-console": "error",
    },
  },
  { files: ["**/*.test.ts"], rules: { "max-lines": "off", "max-lines-per-function": "off" } },
  { files: ["src/cli/**", "bench/**"], rules: { "no-console": "off" } },
  {
    files: ["src/stream/**"],
    ignores: ["**/*.test.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            {
              group: [...edges, "**/codec/**", "**/models/**", "**/server/**", "**/cli/**"],
              message: "src/stream is the pure core.",
            },
          ],
        },
      ],
    },
  },
);
