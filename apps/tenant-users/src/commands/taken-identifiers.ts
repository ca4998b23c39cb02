import type { IdentifierTaken } from '#event-store';
import { type IdentifierKind, isTenantryError, TenantryError } from '#kernel';

const TAKEN: { readonly [Kind in IdentifierKind]?: readonly [field: string, message: string] } = {
  'user.external_id': ['external_id', 'is taken in this tenant'],
  'user.username': ['username', 'is taken in this tenant'],
  'tenant.external_id': ['external_id', 'is taken in this platform'],
};

/** What the caller is told, with the id of who has it. */
export function duplicateRecord({ kind, holder: existingId }: IdentifierTaken): TenantryError {
  const [field, message] = TAKEN[kind] ?? [kind, 'is taken'];
  return new TenantryError('duplicate_record', `${field} ${message}`, {
    existingId,
    errors: [{ field, message }],
  });
}

const MAX_ATTEMPTS = 8;

/** Creates under one new id after the other, where another process gave up each for lost in favour of its own. */
export async function untilNotAbandoned<Created>(create: () => Promise<Created>): Promise<Created> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await create();
    } catch (error) {
      const isAbandoned = isTenantryError(error) && error.code === 'illegal_state';
      if (!isAbandoned || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}
