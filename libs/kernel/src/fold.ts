import { domainToASCII } from 'node:url';

/**
 * The one form of all spellings that count as equal: NFC and full case folding, so that `ß` equals `SS`. The first
 * lower case is for `ẞ`, which is its own upper case.
 */
export const fold = (text: string): string =>
  text.normalize('NFC').toLowerCase().toUpperCase().toLowerCase().normalize('NFC');

/** The same of an e-mail address, whose domain counts as in IDNA (UTS 46), in its ASCII form. */
export function foldEmail(address: string): string {
  const at = address.lastIndexOf('@') + 1;
  const domain = address.slice(at);
  return fold(address.slice(0, at)) + (domainToASCII(domain) || fold(domain));
}
