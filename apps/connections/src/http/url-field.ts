import { applyDecorators } from '@nestjs/common';
import { ValidateBy } from 'class-validator';
import { TextField } from '#platform';

const MAX_LENGTH = 2_048;

/** TLS, or an address that leaves the machine not at all; never credentials, which would end up in logs. */
export function isSafeUrl(value: unknown): boolean {
  const url = typeof value === 'string' && value.length <= MAX_LENGTH ? URL.parse(value) : null;
  if (!url || `${url.username}${url.password}${url.hash}` !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

/** RFC 6761 for the name, RFC 1122 and RFC 4291 for the addresses; URL has brought them to one form. */
const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);

interface UrlOptions {
  description?: string;
  example?: string;
  nullable?: boolean;
}

export const UrlField = (options: UrlOptions = {}): PropertyDecorator =>
  applyDecorators(
    TextField({ ...options, max: MAX_LENGTH }),
    ValidateBy({
      name: 'url',
      validator: {
        validate: (value) => value === undefined || value === null || isSafeUrl(value),
        defaultMessage: () =>
          'must be an https URL, or http of a loopback address, without credentials and fragment',
      },
    }),
  );
