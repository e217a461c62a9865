# Build from the checkout: docker build -f deploy/docker/cloud.Dockerfile -t causeway-cloud .
FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
COPY shared/package.json shared/
COPY edge/package.json edge/
COPY cloud/package.json cloud/
COPY simulators/package.json simulators/
RUN npm ci --omit=dev --ignore-scripts --workspace cloud --workspace shared

FROM node:24-slim
WORKDIR /app
COPY --from=packages /app ./
COPY shared/src shared/src
COPY cloud/src cloud/src
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 8080
HEALTHCHECK CMD ["node", "-e", "fetch('http://127.0.0.1:8080/livez').then(a=>process.exit(a.ok?0:1),()=>process.exit(1))"]
CMD ["node", "cloud/src/main.ts", "run", "--config", "/etc/causeway/cloud.yaml"]
