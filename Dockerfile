# syntax=docker/dockerfile:1
# One image for the all-in-one process and for each of the four services: the command chooses the program.

# The version that package.json asks for; test/deployment holds the two together.
ARG NODE_IMAGE=node:24.21.0-bookworm-slim

# Install scripts run in no stage: the only one that does anything fetches a Node, and the image has its own.
FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund
COPY .swcrc tsconfig.json ./
COPY scripts scripts
COPY libs libs
COPY apps apps
RUN npm run build && rm -rf dist/libs/testing

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${NODE_IMAGE}
# The data dir belongs to the image's user `node`, and so does a volume that is made from it.
RUN install -d -o 1000 -g 1000 -m 0700 /data
WORKDIR /app
COPY package.json openapi.json LICENSE ./
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 TENANTRY_DATA_DIR=/data
USER 1000:1000
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/ready`).then(({ok}) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--max-old-space-size=512", "--disable-warning=TimeoutNegativeWarning"]
CMD ["dist/apps/all-in-one/src/main.js"]
