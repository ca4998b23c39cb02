// node dist/scripts/make-env.js > .env
// Prints fresh secrets for docker-compose.yml. Keep them: the users' keys open under this master key alone.
import { randomBytes } from 'node:crypto';
import { createApiKey } from '#platform';

console.log(`TENANTRY_MASTER_KEY=${randomBytes(32).toString('base64')}
TENANTRY_ROOT_KEY=${createApiKey('root')}
POSTGRES_PASSWORD=${randomBytes(24).toString('hex')}`);
