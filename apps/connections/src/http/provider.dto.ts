import { ApiProperty } from '@nestjs/swagger';
import { IsObject, ValidateIf, ValidateNested } from 'class-validator';
import { ChoiceField, Nested, PageOf, TextField, TextListField } from '#platform';
import {
  CLIENT_AUTHENTICATIONS,
  type ClientAuthentication,
  PROVIDER_KINDS,
  type ProviderKind,
} from '../domain/provider.js';
import { UrlField } from './url-field.js';

/** RFC 6749, section 3.3: a scope-token. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
/** RFC 9110, section 5.6.2: a token. */
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const HEADER_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
const VISIBLE = /^[\x20-\x7e]+$/;
const MAX_SCOPES = 100;

export const ScopesField = (description: string): PropertyDecorator =>
  TextListField({ description, maxItems: MAX_SCOPES, max: 200, pattern: SCOPE, example: ['repo'] });

export class StaticHeader {
  @TextField({ required: true, max: 64, pattern: HEADER_NAME, example: 'Authorization' })
  name!: string;
  @TextField({ required: true, max: 8_192, pattern: HEADER_VALUE, example: 'Bearer s3cr3t' })
  value!: string;
}

export class PutProviderBody {
  @ChoiceField({ required: true, of: PROVIDER_KINDS, example: 'oauth2' })
  kind!: ProviderKind;

  @UrlField({
    example: 'https://mcp.example.com/mcp',
    description: 'Of MCP servers alone, and required there: the address of Streamable HTTP.',
  })
  server_url?: string;

  @UrlField({
    example: 'https://github.com/login/oauth/authorize',
    description:
      'Required, as `token_url` and `client_id` are, but for an MCP server: it may take a `header`, and one of which ' +
      'nothing but the address is given is asked (RFC 9728, RFC 8414) and a client is registered (RFC 7591).',
  })
  authorize_url?: string;

  @UrlField({ example: 'https://github.com/login/oauth/access_token' })
  token_url?: string;

  @UrlField({ description: 'Where tokens are revoked (RFC 7009).' })
  revoke_url?: string;

  @UrlField({ description: 'What `iss` in the callback must be (RFC 9207). Not checked when left out.' })
  issuer?: string;

  @TextField({ max: 500, pattern: VISIBLE, example: 'Iv1.8a61f9b3a7aba766' })
  client_id?: string;

  @TextField({
    max: 8_192,
    pattern: VISIBLE,
    example: 's3cr3t',
    description: 'Left out for a public client. It is never shown again.',
  })
  client_secret?: string;

  @ChoiceField({
    of: CLIENT_AUTHENTICATIONS,
    description: 'How the client shows who it is. Default: `client_secret_basic`, `none` without a secret.',
  })
  client_authentication?: ClientAuthentication;

  @ScopesField('What connections ask for unless they say otherwise. Default: none.')
  scopes?: string[];

  @ApiProperty({
    type: StaticHeader,
    required: false,
    description: 'Sent to an MCP server in place of OAuth. The value is never shown again.',
  })
  @ValidateIf((_, value) => value !== undefined)
  @IsObject({ message: 'must be an object' })
  @ValidateNested()
  @Nested(() => StaticHeader)
  header?: StaticHeader;
}

const NullableUrl = () => ApiProperty({ type: String, nullable: true, format: 'uri' });

export class ProviderResource {
  @ApiProperty({ example: 'github' })
  name!: string;
  @ApiProperty({ enum: PROVIDER_KINDS })
  kind!: ProviderKind;
  @NullableUrl()
  server_url!: string | null;
  @NullableUrl()
  authorize_url!: string | null;
  @NullableUrl()
  token_url!: string | null;
  @NullableUrl()
  revoke_url!: string | null;
  @NullableUrl()
  issuer!: string | null;
  @ApiProperty({ type: String, nullable: true })
  client_id!: string | null;
  @ApiProperty({ enum: CLIENT_AUTHENTICATIONS, nullable: true })
  client_authentication!: ClientAuthentication | null;
  @ApiProperty({ type: String, nullable: true, description: 'Of the static header of an MCP server.' })
  header_name!: string | null;
  @ApiProperty({ description: 'Whether a client secret or a header is kept; it is never shown.' })
  has_secret!: boolean;
  @ApiProperty({ type: [String], example: ['repo'] })
  scopes!: string[];
  @ApiProperty({ format: 'date-time' })
  created_at!: string;
  @ApiProperty({ format: 'date-time' })
  updated_at!: string;
}

export class ProviderPage extends PageOf(ProviderResource) {}
