import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Needles } from './needles.js';

/** Where a value was found, and in which form. */
export interface Trace {
  file: string;
  value: string;
  form: string;
}

/** The forms that a text can take in a file: as it is, and as encodings of it would show. */
export function formsOf(value: string): [form: string, bytes: Buffer][] {
  const utf8 = Buffer.from(value, 'utf8');
  const escaped = JSON.stringify(value)
    .slice(1, -1)
    .replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const forms: [string, string | Buffer][] = [
    ['utf-8', utf8],
    ['utf-16', Buffer.from(value, 'utf16le')],
    ['hex', utf8.toString('hex')],
    ['HEX', utf8.toString('hex').toUpperCase()],
    ['JSON', JSON.stringify(value).slice(1, -1)],
    ['escaped JSON', escaped],
    ['percent', encodeURIComponent(value)],
    ...([0, 1, 2] as const).flatMap((shift): [string, string][] => {
      const base64 = base64Within(utf8, shift);
      return [
        [`base64 at ${shift}`, base64],
        [`base64url at ${shift}`, base64.replaceAll('+', '-').replaceAll('/', '_')],
      ];
    }),
  ];
  return forms.map(([form, bytes]) => [form, Buffer.from(bytes)]);
}

/** What base64 of a longer text shows of these bytes when they begin `shift` bytes after a multiple of three. */
function base64Within(bytes: Buffer, shift: 0 | 1 | 2): string {
  const skipped = (3 - shift) % 3;
  const whole = Math.floor((bytes.length - skipped) / 3) * 3;
  return bytes.subarray(skipped, skipped + whole).toString('base64');
}

export function tracesIn(bytes: Buffer, file: string, values: readonly string[]): Trace[] {
  const forms = values.flatMap((value) => formsOf(value).map(([form, shown]) => ({ value, form, shown })));
  const needles = new Needles();
  for (const [name, { shown }] of forms.entries()) needles.add(shown, name);
  return [...needles.in(bytes)].map((name) => {
    const { value, form } = forms[name] as (typeof forms)[number];
    return { file, value, form };
  });
}

/** Reads every file under the folder, whatever its name. */
export function tracesUnder(folder: string, values: readonly string[]): Trace[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .flatMap((path) => tracesIn(readFileSync(path), relative(folder, path), values));
}
