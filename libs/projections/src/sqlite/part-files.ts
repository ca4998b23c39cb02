import { closeSync, existsSync, globSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A part of the read models is in `<name>.db`, and in `<name>.1.db`, `<name>.2.db` and so on once other files were put in
 * its place: a name is never used again while somebody may have its file open. `<name>.building.db` is not read yet.
 */
const NUMBER = /(?:\.(\d+))?\.db$/;

const numberOf = (file: string): number => Number(NUMBER.exec(file)?.[1] ?? 0);
const numbered = (file: string, what: string | number): string => file.replace(NUMBER, `.${what}.db`);

/** The one in use is the last. */
function filesOf(folder: string, name: string): string[] {
  const files = globSync([`${name}.db`, `${name}.+([0-9]).db`], { cwd: folder });
  return files.sort((one, other) => numberOf(one) - numberOf(other)).map((file) => join(folder, file));
}

export const partFile = (folder: string, name: string): string =>
  filesOf(folder, name).at(-1) ?? join(folder, `${name}.db`);

/** A crash may have left the file that another one had taken the place of. */
export function removeReplaced(folder: string, name: string): void {
  for (const file of filesOf(folder, name).slice(0, -1)) removeFile(file);
}

export const buildingFile = (file: string): string => numbered(file, 'building');

/** Beside a file that is to be compared with the one in use before it takes its place. */
const verifyNote = (file: string): string => `${buildingFile(file)}.verify`;

/** From here on a crash doesn't end the build: the next start goes on with it. */
export function noteBuild(file: string, { verify }: { verify: boolean }): void {
  if (verify) writeFileSync(verifyNote(file), '');
  else rmSync(verifyNote(file), { force: true });
  closeSync(openSync(buildingFile(file), 'a'));
}

/** The build that was cut short; undefined where none was. */
export const notedBuild = (file: string): { verify: boolean } | undefined =>
  existsSync(buildingFile(file)) ? { verify: existsSync(verifyNote(file)) } : undefined;

/** Gives the file that was built beside this one the name that is read from now on. */
export function putInPlace(file: string): string {
  const next = numbered(file, numberOf(file) + 1);
  renameSync(buildingFile(file), next);
  rmSync(verifyNote(file), { force: true });
  return next;
}

export function removeFile(file: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
}
