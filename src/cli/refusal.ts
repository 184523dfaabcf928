/** The command cannot do what it was asked to, for a reason that its user can read. */
export class Refusal extends Error {
  override readonly name = "Refusal";
}
