import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { CurrentAccess, type PlatformAccess, RequireScope } from '#platform';
import { KeyVerification, type Verification } from '../read-models/key-verification.js';
import { VerificationResource, VerifyKeyBody } from './key.dto.js';

@ApiTags('Keys')
@Controller('v1/keys')
export class KeyVerificationController {
  constructor(private readonly verification: KeyVerification) {}

  /** Whose key it is and whether it holds just now. Any outcome is a 200. */
  @Post('verify')
  @HttpCode(200)
  @RequireScope('keys:verify')
  @ApiOkResponse({ type: VerificationResource })
  verify(
    @Body() { key, scope }: VerifyKeyBody,
    @CurrentAccess() access: PlatformAccess,
  ): Promise<Verification> {
    return this.verification.verify(access, key, scope);
  }
}
