import { ApiProperty } from '@nestjs/swagger';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { invalidInput } from '#kernel';
import { ConvertedBy } from './validation.js';

/** The query of a route that takes no parameters: it refuses them all. */
export class NoQuery {}

export class PageQuery {
  @ApiProperty({ required: false, minimum: 1, maximum: 100, default: 20, description: 'Rows a page.' })
  @IsOptional()
  @ConvertedBy((value) => (/^\d{1,4}$/.test(String(value)) ? Number(value) : value))
  @IsInt()
  @Min(1)
  @Max(100)
  limit: number = 20;

  @ApiProperty({ required: false, description: 'The `next_cursor` of the page before.' })
  @IsOptional()
  @IsString()
  @MaxLength(200)
  cursor?: string;
}

export interface Page<Row> {
  data: Row[];
  next_cursor: string | null;
  total: number;
}

/** A cursor names the last row seen by its place in the log, which neither inserts nor deletes move. */
export const encodeCursor = (sequence: number): string =>
  Buffer.from(`after:${sequence}`, 'latin1').toString('base64url');

/** Throws `invalid_input` for anything that `encodeCursor` did not make. */
export function decodeCursor(cursor: string): number {
  const match = /^after:(\d{1,16})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  const sequence = Number(match?.[1]);
  if (!match || !Number.isSafeInteger(sequence) || encodeCursor(sequence) !== cursor) {
    throw invalidInput('cursor', 'is not a cursor of this list');
  }
  return sequence;
}

/** Cuts the page out of `limit + 1` rows that were asked for, so that the last page is known without a count. */
export function pageOf<Row extends { sequence: number }>(
  rows: Row[],
  limit: number,
): { rows: Row[]; next: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { rows: shown, next: rows.length > limit && last ? encodeCursor(last.sequence) : null };
}
