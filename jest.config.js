import { availableParallelism } from 'node:os';

const shared = {
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest'] },
  moduleNameMapper: {
    '^#(tenant-users|keys|budgets|connections)$': '<rootDir>/apps/$1/src/index.ts',
    '^#worker/([a-z-]+)$': '<rootDir>/libs/$1/src/worker.ts',
    '^#([a-z-]+)$': '<rootDir>/libs/$1/src/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
};

const project = (kind) => ({
  ...shared,
  displayName: kind,
  testMatch: [`<rootDir>/{apps,libs,test}/**/*.${kind}.spec.ts`],
});

export default {
  projects: [project('unit'), project('int'), project('e2e')],
  reporters: ['default', '<rootDir>/test/summary-reporter.mjs'],
  testTimeout: 120_000,
  // Of two specs at once, one mostly waits: for a disk, a process or a timer.
  maxWorkers: Math.max(2, availableParallelism() - 1),
};
