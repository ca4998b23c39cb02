import { ApiHeader } from '@nestjs/swagger';
import { invalidInput } from '#kernel';

/** Reads `If-Match: "<revision>"` (RFC 9110, section 13.1.1); `*` and no header ask for nothing. */
export function ifMatch(header: string | undefined): { ifRevision?: number } {
  if (header === undefined || header === '*') return {};
  const revision = /^"(\d{1,15})"$/.exec(header)?.[1];
  if (revision === undefined) throw invalidInput('If-Match', 'must be an ETag of this user such as "3"');
  return { ifRevision: Number(revision) };
}

/** Documents that the route takes If-Match (RFC 9110, section 13.1.1). */
export const TakesIfMatch = (): MethodDecorator =>
  ApiHeader({
    name: 'If-Match',
    required: false,
    description: 'Refuse with 412 unless this is the current `ETag`.',
    schema: { type: 'string' },
    example: '"3"',
  });
