import { Injectable } from '@nestjs/common';
import { illegalState } from '#kernel';
import { AccountKitDirectory, UserDirectory } from '#platform';

/** What users may do here, as the directory and their account kit have it. */
@Injectable()
export class UserStanding {
  constructor(
    private readonly users: UserDirectory,
    private readonly kits: AccountKitDirectory,
  ) {}

  /** Throws `not_found` unless the tenant has the user, and `illegal_state` unless the user is active. */
  async requireActive(tenantId: string, userId: string): Promise<{ accountKitId: string }> {
    const user = await this.users.require(tenantId, userId);
    if (user.status !== 'active') throw illegalState(`the user is ${user.status}`);
    return user;
  }

  async isActive(tenantId: string, userId: string): Promise<boolean> {
    return (await this.users.find(tenantId, userId))?.status === 'active';
  }

  /** Throws `illegal_state` for a provider that the kit leaves out. */
  async requireAllowed(platformId: string, accountKitId: string, provider: string): Promise<void> {
    const kit = await this.kits.find(platformId, accountKitId);
    if (kit?.allowedProviders?.includes(provider) ?? true) return;
    const message = "is not among the providers that the user's account kit allows";
    throw illegalState(`provider: ${message}`, { errors: [{ field: 'provider', message }] });
  }
}
