// Socket Mode with Slack's own client as it is. It says on its output what comes in.
const { SocketModeClient } = require('@slack/socket-mode');
const { WebClient } = require('@slack/web-api');

const env = process.env;
const quiet = { debug() {}, info() {}, warn() {}, error() {}, setLevel() {}, getLevel() { return 'error'; }, setName() {} };
const clientOptions = { slackApiUrl: env.FAKE_URL, logger: quiet };
const socket = new SocketModeClient({ appToken: env.FAKE_APP_TOKEN, logger: quiet, clientOptions, clientPingTimeout: 1000 });
const web = new WebClient(env.FAKE_TOKEN, clientOptions);
const text = (t) => ({ type: 'plain_text', text: t });
const say = (...words) => console.log(words.join(' '));

socket.on('connected', () => say('connected'));
socket.on('message', async ({ event, body, ack, retry_num }) => {
  await ack();
  say('message', event.text, body.team_id, retry_num || 0);
});
socket.on('reaction_added', async ({ event, ack }) => {
  await ack();
  say('reaction', event.reaction);
});
socket.on('slash_commands', async ({ body, ack }) => {
  if (body.text === 'form') {
    await web.views.open({ trigger_id: body.trigger_id, view: { type: 'modal', title: text('Ask'), submit: text('Send'),
      blocks: [{ type: 'input', block_id: 'why', label: text('Why'), element: { type: 'plain_text_input', action_id: 'value' } }] } });
    await ack();
  } else {
    await ack({ text: `you said ${body.text}` });
  }
  say('command', body.text);
});
socket.on('interactive', async ({ body, ack }) => {
  if (body.type === 'view_submission') {
    const given = body.view.state.values.why.value.value;
    await ack(given === 'no' ? { response_action: 'errors', errors: { why: 'say more' } } : undefined);
    say('form', given);
    return;
  }
  await ack();
  say('press', body.actions[0].value);
});

process.stdin.on('data', async () => {
  await socket.disconnect();
  say('served');
  process.exit(0);
});
socket.start().catch((e) => {
  console.error(e);
  process.exit(1);
});
