// How a script states what it proves: one sentence per check, one line of output per check.

const assert = require("node:assert/strict");

/** Collects the checks of one client and runs them in the order in which they were stated. */
function proof(client) {
  const stated = [];
  const check = (sentence, body) => stated.push([sentence, body]);
  check.run = async () => {
    let failed = 0;
    for (const [sentence, body] of stated) {
      try {
        await body();
        console.log(`ok    ${client}: ${sentence}`);
      } catch (error) {
        failed += 1;
        console.log(`FAIL  ${client}: ${sentence}`);
        console.error(error instanceof Error ? error.stack : error);
      }
    }
    process.exitCode = failed === 0 ? 0 : 1;
  };
  return check;
}

/** The error a promise is refused with; fails if it is not refused. */
async function refusal(promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  assert.fail(`expected a refusal, got ${JSON.stringify(value)}`);
}

/** An address or a secret that `run` hands over. */
function given(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: start this script through tests/clients/run`);
  return value;
}

/** An access token of the client credentials flow. */
async function token(authority, tenant, client, secret, scope) {
  const answer = await fetch(`${authority}/${tenant}/oauth2/v2.0/token`, {
    method: "POST",
    body: new URLSearchParams({ grant_type: "client_credentials", client_id: client, client_secret: secret, scope }),
  });
  assert.equal(answer.status, 200);
  return (await answer.json()).access_token;
}

module.exports = { assert, given, proof, refusal, token };
