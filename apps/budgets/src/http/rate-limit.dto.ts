import { ApiProperty } from '@nestjs/swagger';
import { CountField } from './count-field.js';

const MAX_RATE = 1_000_000_000;
const MAX_WINDOW_SECONDS = 31_536_000;

export class SetRateLimitBody {
  @CountField({ required: true, max: MAX_RATE, example: 100, description: 'Units that a window allows.' })
  limit!: number;

  @CountField({
    required: true,
    max: MAX_WINDOW_SECONDS,
    example: 60,
    description: 'The length of the sliding window. Another length starts counting afresh.',
  })
  window_seconds!: number;
}

export class ConsumeBody {
  @CountField({
    max: MAX_RATE,
    default: 1,
    example: 1,
    description: 'Units to use up: all of them or none.',
  })
  cost?: number;
}

export class RateLimitResource {
  @ApiProperty({ example: 'requests' })
  name!: string;
  @ApiProperty({ example: 100 })
  limit!: number;
  @ApiProperty({ example: 60 })
  window_seconds!: number;
  @ApiProperty({ enum: ['kit', 'override'], description: '`override` where it was set for this user alone.' })
  source!: 'kit' | 'override';
}

export class RateLimitPage {
  @ApiProperty({ type: [RateLimitResource], description: 'By name; always all of them.' })
  data!: RateLimitResource[];
  @ApiProperty({ type: String, nullable: true })
  next_cursor!: string | null;
  @ApiProperty()
  total!: number;
}

export class ConsumptionResource {
  @ApiProperty({ description: 'False where less than the cost remains; then nothing is used up.' })
  allowed!: boolean;
  @ApiProperty({ example: 100 })
  limit!: number;
  @ApiProperty({ example: 99, description: 'Units that are free now.' })
  remaining!: number;
  @ApiProperty({
    format: 'date-time',
    description:
      'When all of the limit is free again unless more is used up. The window slides: each unit comes back ' +
      'one window after its use, at most a 50th of the window later.',
  })
  reset_at!: string;
}
