// npm run stand-in: a peer that speaks EventStoreDB's protocol, with its log in memory, until Ctrl-C. It is for
// trying the adapter out where no server is at hand; nothing it shows is a figure of a server.
const BUILT = '../dist/libs/testing/src/event-store-stand-in/event-store-stand-in.js';
const { EventStoreStandIn } = await import(new URL(BUILT, import.meta.url).href);

const standIn = await EventStoreStandIn.start({ port: Number(process.env.PORT ?? 0) });
console.log(`EVENT_STORE_URL='${standIn.url}'`);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(0));
