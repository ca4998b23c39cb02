import { ApiParam } from '@nestjs/swagger';

/** Documents the `id` that the parameter decorator `UserId` reads. */
export const ByUserId = () =>
  ApiParam({ name: 'id', description: "The user's id, or `default` for the tenant's default user." });
