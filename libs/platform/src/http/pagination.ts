import type { Type } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { ConvertedBy } from './validation.js';

/** The query of a route that takes no parameters: it refuses them all. */
export class NoQuery {}

export class PageQuery {
  @ApiProperty({
    type: 'integer',
    required: false,
    minimum: 1,
    maximum: 100,
    default: 20,
    description: 'Rows a page.',
  })
  @IsOptional()
  @ConvertedBy((value) => (/^\d{1,4}$/.test(String(value)) ? Number(value) : value))
  @IsInt()
  @Min(1)
  @Max(100)
  limit: number = 20;

  @ApiProperty({ required: false, maxLength: 200, description: 'The `next_cursor` of the page before.' })
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

/** The class of such a page, as the document describes it. */
export function PageOf<Row extends object>(row: Type<Row>): Type<Page<Row>> {
  class PageOfRows {
    @ApiProperty({ type: [row] })
    data!: Row[];
    @ApiProperty({ type: String, nullable: true })
    next_cursor!: string | null;
    @ApiProperty()
    total!: number;
  }
  return PageOfRows;
}
