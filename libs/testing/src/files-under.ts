import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The paths of all files in a folder and the folders in it. */
export const filesUnder = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
