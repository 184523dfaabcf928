import { existsSync } from "node:fs";
import { join } from "node:path";

const folder = process.env["TEST_FIXTURES"] ?? join(import.meta.dirname, "../../../shared/fixtures");

/** A checkpoint folder with the outputs of the published code: it lies beside a checkout, or nowhere. */
export const sharedFixture = (name: string): string => join(folder, name);

/** For a test's `skip`: false where the fixture is there, else why the test does not run. */
export const withoutFixture = (name: string): string | false =>
  existsSync(sharedFixture(name)) ? false : `there is no ${name} in ${folder}`;
