export { Bootstrap, type FirstStart } from './policies/bootstrap.js';
export { TenantUsersModule, tenantUsersConsumer } from './tenant-users.module.js';
