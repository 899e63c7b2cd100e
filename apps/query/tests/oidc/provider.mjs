// A certified OpenID Connect provider with three people in it. `login_hint`, or a click, says who sits in front of the browser.
import { Provider } from "oidc-provider";

const [port, redirectUri] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const people = {
  "1": { email: "Zoe@example.com", email_verified: true, groups: ["staff"] },
  "2": { email: "ian@example.com", email_verified: true, groups: ["guests"] },
};

const provider = new Provider(issuer, {
  clients: [{ client_id: "tracker", client_secret: "s: %cret", redirect_uris: [redirectUri], response_types: ["code"] }],
  claims: { openid: ["sub", "groups"], email: ["email", "email_verified"], profile: [] },
  conformIdTokenClaims: false,
  cookies: { keys: ["a key of the tests"] },
  features: { devInteractions: { enabled: false } },
  findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  pkce: { required: () => true, methods: ["S256"] },
  async loadExistingGrant(context) {
    const { client, session } = context.oidc;
    const grant = new context.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope("openid email profile");
    await grant.save();
    return grant;
  },
});

provider.use(async (context, next) => {
  if (!context.path.startsWith("/interaction/")) return next();
  const { params } = await provider.interactionDetails(context.req, context.res);
  const who = context.query.as ?? params.login_hint;
  if (!who) {
    context.body = Object.keys(people).map((id) => `<a href="?as=${id}">I am ${id}</a>`).join(" ");
    return;
  }
  const result = who === "nobody" ? { error: "access_denied" } : { login: { accountId: who } };
  await provider.interactionFinished(context.req, context.res, result);
  context.respond = false;
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
