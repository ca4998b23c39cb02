import { ApiProperty } from '@nestjs/swagger';
import { PageOf, TextField } from '#platform';
import type { RevocationOutcome } from '../domain/connections.js';
import { PROVIDER_KINDS, type ProviderKind } from '../domain/provider.js';
import { ScopesField } from './provider.dto.js';
import { PROVIDER_NAME } from './provider-name.js';
import { UrlField } from './url-field.js';

export const CONNECTION_STATUSES = ['pending', 'active', 'needs_reconnect', 'failed'] as const;

export class ConnectBody {
  @TextField({ required: true, max: 64, pattern: PROVIDER_NAME, example: 'github' })
  provider!: string;

  @UrlField({
    example: 'https://app.example.com/connected',
    description:
      'Where the browser goes in the end, with `connection_id`, `status` and `reason` added to the query. ' +
      'A page of this service when left out.',
  })
  redirect_uri?: string;

  @ScopesField("Default: the provider's.")
  scopes?: string[];
}

class McpServerResource {
  @ApiProperty({ example: 'weather' })
  name!: string;
  @ApiProperty({ example: '1.4.0' })
  version!: string;
  @ApiProperty({ example: '2025-06-18' })
  protocol_version!: string;
}

export class ConnectionResource {
  @ApiProperty({ format: 'uuid' })
  id!: string;
  @ApiProperty({ format: 'uuid' })
  user_id!: string;
  @ApiProperty({ example: 'github' })
  provider!: string;
  @ApiProperty({ enum: PROVIDER_KINDS })
  kind!: ProviderKind;
  @ApiProperty({ enum: CONNECTION_STATUSES })
  status!: (typeof CONNECTION_STATUSES)[number];
  @ApiProperty({
    type: String,
    nullable: true,
    example: 'access_denied',
    description: 'Why it failed or must be made again; on an active one, why its last refresh failed.',
  })
  reason!: string | null;
  @ApiProperty({ type: [String], example: ['repo'] })
  scopes!: string[];
  @ApiProperty({ type: McpServerResource, nullable: true })
  mcp_server!: McpServerResource | null;
  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'How long consent is awaited, while it is.',
  })
  expires_at!: string | null;
  @ApiProperty({ format: 'date-time' })
  created_at!: string;
  @ApiProperty({ format: 'date-time' })
  updated_at!: string;
}

export class RequestedConnection extends ConnectionResource {
  @ApiProperty({
    type: String,
    format: 'uri',
    nullable: true,
    description: "Where to send the user's browser; null where no consent is needed.",
  })
  connect_url!: string | null;
}

export class ConnectionPage extends PageOf(ConnectionResource) {}

class HeaderResource {
  @ApiProperty({ example: 'Authorization' })
  name!: string;
  @ApiProperty({ example: 'Bearer gho_16C7e42F292c6912E7710c838347Ae178B4a' })
  value!: string;
}

export class AccessToken {
  @ApiProperty({ type: String, nullable: true, description: 'Null for an MCP server with a static header.' })
  access_token!: string | null;
  @ApiProperty({ enum: ['Bearer', 'header'] })
  token_type!: 'Bearer' | 'header';
  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'Null where the provider does not say.',
  })
  expires_at!: string | null;
  @ApiProperty({ type: [String], example: ['repo'] })
  scopes!: string[];
  @ApiProperty({ type: HeaderResource, description: 'To be sent with each request, as it is.' })
  header!: HeaderResource;
}

export class RevocationResource {
  @ApiProperty({ enum: ['revoked', 'not_revoked', 'nothing_to_revoke'] })
  outcome!: RevocationOutcome | 'nothing_to_revoke';
  @ApiProperty({ type: String, nullable: true, example: 'revocation_not_supported' })
  reason!: string | null;
}

export class RemovedConnection {
  @ApiProperty({ format: 'uuid' })
  id!: string;
  @ApiProperty({ example: 'github' })
  provider!: string;
  @ApiProperty({ enum: ['removed'] })
  status!: 'removed';
  @ApiProperty({ type: RevocationResource, description: 'Whether the provider was told, and did it.' })
  revocation!: RevocationResource;
}
