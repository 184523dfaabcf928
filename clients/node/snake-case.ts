/** The client's own, whose keys are not ours to rename. */
const opaque = new Set(["metadata"]);

/** Options as the wire has them: keys in snake_case, what is undefined left out. */
export function toSnakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toSnakeCase);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
      inner === undefined
        ? []
        : [
            [
              key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
              opaque.has(key) ? inner : toSnakeCase(inner),
            ],
          ],
    ),
  );
}
