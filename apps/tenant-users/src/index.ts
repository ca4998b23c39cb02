export { Bootstrap } from './policies/bootstrap.js';
export { welcome } from './policies/welcome.js';
export { TenantUsersModule, tenantUsersConsumer } from './tenant-users.module.js';
