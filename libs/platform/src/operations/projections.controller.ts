import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiProperty, ApiTags } from '@nestjs/swagger';
import type { RebuildStatus } from '#projections';
import { RequireRoot, RequireScopeOrRoot } from '../access/requirement.js';
import { BooleanField } from '../http/fields.js';
import { OtherServices } from '../services/other-services.js';
import { ReadModels } from './read-models.js';

class RebuildBody {
  @BooleanField({ description: 'Count the rows that stood differently before the swap.' })
  verify?: boolean;
}

class RebuildResource {
  @ApiProperty({ example: 'user-directory' })
  name!: string;
  @ApiProperty({ enum: ['running', 'completed', 'failed'] })
  state!: string;
  @ApiProperty()
  events_done!: number;
  @ApiProperty()
  events_total!: number;
  @ApiProperty()
  events_per_second!: number;
  @ApiProperty({ required: false, description: 'Only with `verify`.' })
  differences?: number;
  @ApiProperty({ required: false, description: 'Why it failed.' })
  error?: string;
}

class ProjectionFailureResource {
  @ApiProperty()
  position!: string;
  @ApiProperty()
  event_type!: string;
  @ApiProperty()
  error!: string;
}

export class ProjectionResource {
  @ApiProperty({ example: 'user-directory' })
  name!: string;
  @ApiProperty({ description: 'Decimal string.' })
  position!: string;
  @ApiProperty({ description: 'Positions behind the head of the log.' })
  lag!: number;
  @ApiProperty({
    enum: ['starting', 'running', 'standby', 'failed', 'stopped', 'retrying'],
    description: '`standby` where another process runs it.',
  })
  state!: string;
  @ApiProperty({ required: false })
  failure?: ProjectionFailureResource;
}

class ProjectionList {
  @ApiProperty({ type: [ProjectionResource] })
  data!: ProjectionResource[];
}

@ApiTags('Projections')
@Controller('v1/projections')
export class ProjectionsController {
  constructor(
    private readonly readModels: ReadModels,
    private readonly others: OtherServices,
  ) {}

  @Get()
  @RequireScopeOrRoot('audit:read')
  @ApiOkResponse({ type: ProjectionList })
  async list(): Promise<ProjectionList> {
    const [here, elsewhere] = await Promise.all([
      this.readModels.statuses(),
      this.others.projections<ProjectionResource>(),
    ]);
    return { data: [...here, ...elsewhere] };
  }

  /** Builds the projection anew from the log beside the live one, and swaps it in when it has caught up. */
  @Post(':name/rebuild')
  @HttpCode(202)
  @RequireRoot()
  @ApiAcceptedResponse({ type: RebuildResource })
  async rebuild(@Param('name') name: string, @Body() body?: RebuildBody): Promise<RebuildResource> {
    const verify = body?.verify ?? false;
    if (this.readModels.has(name)) return resource(await this.readModels.rebuild(name, verify));
    return (await this.others.ofProjection('POST', name, { verify })) as RebuildResource;
  }

  @Get(':name/rebuild')
  @RequireScopeOrRoot('audit:read')
  @ApiOkResponse({ type: RebuildResource })
  async rebuildStatus(@Param('name') name: string): Promise<RebuildResource> {
    if (this.readModels.has(name)) return resource(this.readModels.rebuildStatus(name));
    return (await this.others.ofProjection('GET', name)) as RebuildResource;
  }
}

function resource(status: RebuildStatus): RebuildResource {
  const { eventsDone, eventsTotal, eventsPerSecond, ...rest } = status;
  return {
    ...rest,
    events_done: eventsDone,
    events_total: eventsTotal,
    events_per_second: Math.round(eventsPerSecond),
  };
}
