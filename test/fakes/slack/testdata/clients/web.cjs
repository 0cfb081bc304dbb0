// Every call of the Web API that the bot makes, made by Slack's own client as it is.
const assert = require('node:assert');
const { WebClient, ErrorCode } = require('@slack/web-api');

const env = process.env;
const quiet = { debug() {}, info() {}, warn() {}, error() {}, setLevel() {}, getLevel() { return 'error'; }, setName() {} };
const options = { slackApiUrl: env.FAKE_URL, logger: quiet, retryConfig: { retries: 1, minTimeout: 10 } };
const web = new WebClient(env.FAKE_TOKEN, options);
const channel = env.FAKE_CHANNEL;

async function refused(error, call) {
  try {
    await call();
  } catch (e) {
    assert.strictEqual(e.code, ErrorCode.PlatformError, e.message);
    assert.strictEqual(e.data.error, error);
    return e.data;
  }
  throw new Error(`it was not refused with ${error}`);
}

const text = (t) => ({ type: 'plain_text', text: t });
const card = [
  { type: 'header', text: text('Release 7') },
  { type: 'section', text: { type: 'mrkdwn', text: '*waits* for <@' + env.FAKE_USER + '>', verbatim: true } },
  { type: 'actions', block_id: 'say', elements: [{ type: 'button', action_id: 'say:1', text: text('Approve'), value: 'approve 7' }] },
];
const form = {
  type: 'modal', title: text('Ask'), submit: text('Send'), close: text('Leave'), callback_id: 'ask',
  blocks: [{ type: 'input', block_id: 'why', label: text('Why'), element: { type: 'plain_text_input', action_id: 'value' } }],
};

async function messages() {
  const me = await web.auth.test();
  assert.strictEqual(me.team_id, env.FAKE_TEAM);
  assert.ok(me.response_metadata.scopes.includes('chat:write'));
  const posted = await web.chat.postMessage({ channel, text: 'Release 7', blocks: card, unfurl_links: false,
    metadata: { event_type: 'card', event_payload: { key: 'run-7' } } });
  assert.strictEqual(posted.message.bot_id, me.bot_id);
  const ts = posted.ts;
  const reply = await web.chat.postMessage({ channel, text: 'in the thread', thread_ts: ts, reply_broadcast: true });
  await web.chat.update({ channel, ts, text: 'Release 7 runs', blocks: card.slice(0, 2) });
  await refused('message_not_found', () => web.chat.update({ channel, ts: '1.000001', text: 'x' }));
  const wrong = await refused('invalid_blocks', () => web.chat.postMessage({ channel, text: 'x', blocks: [{ type: 'header', text: text('x'.repeat(151)) }] }));
  assert.match(wrong.response_metadata.messages[0], /must be less than 151 characters/);

  for (let n = 0; n < 5; n++) await web.chat.postMessage({ channel, text: `number ${n}` });
  const all = [];
  for await (const page of web.paginate('conversations.history', { channel, limit: 3, include_all_metadata: true })) all.push(...page.messages);
  assert.strictEqual(all.length, 7); // an answer that is shown in the channel is one of them
  const found = all.find((m) => m.metadata && m.metadata.event_payload.key === 'run-7');
  assert.strictEqual(found.ts, ts);
  assert.strictEqual(found.reply_count, 1);
  assert.strictEqual((await web.conversations.replies({ channel, ts })).messages[1].ts, reply.ts);

  await web.reactions.add({ channel, timestamp: ts, name: 'white_check_mark' });
  await refused('already_reacted', () => web.reactions.add({ channel, timestamp: ts, name: 'white_check_mark' }));
  const got = await web.reactions.get({ channel, timestamp: ts, full: true });
  assert.deepStrictEqual(got.message.reactions, [{ name: 'white_check_mark', users: [me.user_id], count: 1 }]);
  await web.reactions.remove({ channel, timestamp: ts, name: 'white_check_mark' });

  assert.match((await web.chat.getPermalink({ channel, message_ts: ts })).permalink, /^https:.*\/archives\//);
  assert.ok((await web.chat.postEphemeral({ channel, user: env.FAKE_USER, text: 'psst' })).message_ts);
  await web.chat.delete({ channel, ts: reply.ts });
  return ts;
}

async function people() {
  const u = (await web.users.info({ user: env.FAKE_USER })).user;
  assert.strictEqual(u.name, 'ada');
  assert.strictEqual(u.is_restricted, false);
  assert.ok((await web.users.list({ limit: 100 })).members.length >= 4);
  assert.strictEqual((await web.users.lookupByEmail({ email: 'ada@harbour.example' })).user.id, u.id);
  const me = await web.auth.test();
  assert.strictEqual((await web.bots.info({ bot: me.bot_id })).bot.user_id, me.user_id);
  assert.strictEqual((await web.team.info()).team.id, env.FAKE_TEAM);
  assert.strictEqual((await web.usergroups.list({ include_users: true })).usergroups[0].users[0], u.id);
  assert.deepStrictEqual((await web.usergroups.users.list({ usergroup: env.FAKE_GROUP })).users, [u.id]);
  await refused('no_such_subteam', () => web.usergroups.users.list({ usergroup: 'S0NOBODY' }));
}

async function conversations() {
  assert.strictEqual((await web.conversations.info({ channel, include_num_members: true })).channel.num_members, 3);
  assert.strictEqual((await web.conversations.members({ channel })).members.length, 3);
  assert.ok((await web.conversations.list({ types: 'public_channel,private_channel', exclude_archived: true })).channels.length >= 2);
  assert.strictEqual((await web.users.conversations({ types: 'public_channel' })).channels.length, 1);
  const im = (await web.conversations.open({ users: env.FAKE_USER, return_im: true })).channel;
  assert.strictEqual(im.user, env.FAKE_USER);
  await web.chat.postMessage({ channel: im.id, text: 'between us' });
  await refused('not_in_channel', () => web.chat.postMessage({ channel: env.FAKE_OTHER, text: 'x' }));
  await web.conversations.join({ channel: env.FAKE_OTHER });
  await web.chat.postMessage({ channel: env.FAKE_OTHER, text: 'here now' });
  await web.conversations.leave({ channel: env.FAKE_OTHER });
}

async function views() {
  const opened = (await web.views.open({ trigger_id: env.FAKE_TRIGGER, view: form })).view;
  await refused('exchanged_trigger_id', () => web.views.open({ trigger_id: env.FAKE_TRIGGER, view: form }));
  await web.views.update({ view_id: opened.id, hash: opened.hash, view: { ...form, title: text('Ask again') } });
  await web.views.push({ trigger_id: env.FAKE_TRIGGER2, view: form });
  await web.views.publish({ user_id: env.FAKE_USER, view: { type: 'home', blocks: card.slice(0, 2) } });
}

async function files(thread_ts) {
  const up = await web.filesUploadV2({ channel_id: channel, thread_ts, filename: 'build.log', title: 'Log', content: 'all is well\n', initial_comment: 'the log' });
  const file = up.files[0].files[0];
  assert.strictEqual(file.title, 'Log');
  const info = (await web.files.info({ file: file.id })).file;
  const content = await fetch(info.url_private, { headers: { Authorization: `Bearer ${env.FAKE_TOKEN}` } });
  assert.strictEqual(await content.text(), 'all is well\n');
  await web.files.delete({ file: file.id });
}

async function main() {
  const ts = await messages();
  await people();
  await conversations();
  await views();
  await files(ts);
  await refused('invalid_auth', () => new WebClient('xoxb-wrong', options).auth.test());
  // The server refuses one call with 429; the client waits for as long as it is told.
  const began = Date.now();
  await web.team.info();
  assert.ok(Date.now() - began >= 1000, 'it did not wait');
  console.log('served');
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
