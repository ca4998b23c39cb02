import { TenantryError } from '#kernel';
import type { PlatformAccess } from './caller.js';

/** What holds for all of a platform is not for a key that is restricted to one tenant. Throws `forbidden`. */
export function requirePlatformWide({ onlyTenantId }: PlatformAccess): void {
  if (onlyTenantId !== null) {
    throw new TenantryError('forbidden', 'the API key is restricted to one tenant');
  }
}
