# Build from the checkout: docker build -f deploy/docker/cloud.Dockerfile -t causeway-cloud .
FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
COPY shared/package.json shared/
COPY edge/package.json edge/
COPY cloud/package.json cloud/
COPY simulators/package.json simulators/
RUN npm ci --omit=dev --ignore-scripts --workspace cloud --workspace shared

# The page, with what builds it; none of that is in the image.
FROM node:24-slim AS page
WORKDIR /app
COPY package.json package-lock.json ./
COPY shared/package.json shared/
COPY edge/package.json edge/
COPY cloud/package.json cloud/
COPY simulators/package.json simulators/
RUN npm ci --include=dev --ignore-scripts --include-workspace-root --workspace cloud --workspace shared
COPY deploy/local deploy/local
COPY tsconfig.json ./
COPY cloud/page cloud/page
RUN node deploy/local/page.mjs

FROM node:24-slim
WORKDIR /app
COPY --from=packages /app ./
COPY --from=page /app/cloud/page/dist cloud/page/dist
COPY shared/src shared/src
COPY cloud/src cloud/src
COPY cloud/bin cloud/bin
# The launcher keeps what is compiled, and wants Node where a checkout has it.
RUN mkdir -p node_modules/node/bin .cache /data && ln -s "$(command -v node)" node_modules/node/bin/node \
  && chown node:node .cache /data
USER node
# Compiled once here; what is kept is of this user only.
RUN cloud/bin/causeway-cloud --help
VOLUME /data
EXPOSE 8080
HEALTHCHECK CMD ["node", "-e", "fetch('http://127.0.0.1:8080/livez').then(a=>process.exit(a.ok?0:1),()=>process.exit(1))"]
CMD ["cloud/bin/causeway-cloud", "run", "--config", "/etc/causeway/cloud.yaml"]
