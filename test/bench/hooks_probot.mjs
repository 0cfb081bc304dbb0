// Takes deliveries with probot and does nothing with them, until its input ends.
import { createServer } from "node:http";
import { createNodeMiddleware, createProbot } from "probot";

const probot = createProbot({
  overrides: { appId: 1, privateKey: process.env.APP_KEY, secret: process.env.HOOK_SECRET },
});
const middleware = await createNodeMiddleware(
  (app) => { app.on("push", async () => {}); },
  { probot, webhooksPath: "/" },
);
const server = createServer((request, response) => {
  middleware(request, response, () => { response.writeHead(404); response.end(); });
});
server.listen(0, "127.0.0.1", () => { console.log(`127.0.0.1:${server.address().port}`); });
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
