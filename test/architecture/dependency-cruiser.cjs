// The arrows of the code as rules: `npm run architecture`. Types count like values: who needs a type depends on it.
const LIBS = {
  kernel: [],
  contracts: ['kernel'],
  'event-store': ['kernel'],
  'message-bus': ['kernel', 'contracts'],
  projections: ['kernel', 'contracts', 'event-store', 'message-bus'],
  privacy: ['kernel'],
  storage: ['kernel', 'event-store', 'message-bus', 'projections', 'privacy'],
  platform: ['kernel', 'contracts', 'event-store', 'message-bus', 'projections', 'privacy', 'storage'],
};

/** A client library and the only folders that may know it. */
const VENDORS = {
  'node:sqlite': [
    'libs/event-store/src/sqlite',
    'libs/message-bus/src/embedded',
    'libs/projections/src/sqlite',
    'libs/privacy/src',
    'libs/storage/src',
  ],
  '@eventstore/db-client': ['libs/event-store/src/eventstoredb'],
  kafkajs: ['libs/message-bus/src/kafka'],
  pg: ['libs/projections/src/postgres'],
};

const SPEC = '\\.spec\\.ts$';
const TEST_CODE = `^(test|bench|libs/testing)/|${SPEC}`;
const { scripts } = require('../../package.json');
/** What `npm run` starts of what the build made, as sources. */
const PROGRAMS = [
  ...Object.values(scripts)
    .join(' ')
    .matchAll(/dist\/(\S+)\.js/g),
].map(([, path]) => `^${path}\\.ts$`);
const ENTRIES = ['/src/(index|main|worker|projections)\\.ts$', '\\.worker\\.ts$', ...PROGRAMS];

const arrowRules = Object.entries(LIBS).map(([lib, allowed]) => ({
  name: `arrows-of-${lib}`,
  comment: `libs/${lib} may import ${allowed.join(', ') || 'none of our parts'}`,
  severity: 'error',
  from: { path: `^libs/${lib}/`, pathNot: SPEC },
  to: { path: '^(apps|libs|test|bench|scripts)/', pathNot: `^libs/(${[lib, ...allowed].join('|')})/` },
}));

const vendorRules = Object.entries(VENDORS).map(([vendor, folders]) => ({
  name: `vendor-${vendor}`,
  comment: `${vendor} stays in ${folders.join(', ')}`,
  severity: 'error',
  from: { pathNot: [TEST_CODE, ...folders.map((folder) => `^${folder}/`)] },
  to: { path: `^${vendor}$|node_modules/(@types/)?${vendor}/` },
}));

const rules = {
  'no-cycle': { from: {}, to: { circular: true } },
  // What the build makes is not there before it.
  'no-unresolvable': { from: {}, to: { couldNotResolve: true, pathNot: '^(\\.\\./)+dist/' } },
  'apps-import-no-app': {
    from: { path: '^apps/([^/]+)/', pathNot: '^apps/all-in-one/' },
    to: { path: '^apps/', pathNot: '^apps/$1/' },
  },
  'testing-from-tests-only': {
    from: { pathNot: TEST_CODE },
    to: { path: '^(libs/testing|test|bench)/' },
  },
  'through-the-index-only': {
    from: { path: '^((?:apps|libs)/[^/]+)/' },
    to: { path: '^(apps|libs)/', pathNot: '^$1/', dependencyTypesNot: ['aliased'] },
  },
  'domain-is-pure': {
    from: { path: '^(apps/[^/]+/src/domain)/', pathNot: SPEC },
    to: { pathNot: '^($1|libs/kernel/src)/|^util$' },
  },
  'nobody-imports-a-spec': { from: {}, to: { path: SPEC } },
  'declared-packages-only': {
    from: { path: '^(apps|libs)/', pathNot: TEST_CODE },
    to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], pathNot: '^node_modules/@types/' },
  },
  'no-dead-file': {
    from: { path: ENTRIES },
    to: { path: '^(apps|libs|scripts)/.+\\.ts$', pathNot: [SPEC, ...ENTRIES], reachable: false },
  },
};

module.exports = {
  forbidden: [
    ...arrowRules,
    ...vendorRules,
    ...Object.entries(rules).map(([name, rule]) => ({ name, severity: 'error', ...rule })),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types', 'default'],
    },
  },
};
