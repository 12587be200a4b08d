'use strict';
// An Express app as a worker: `/` says who answers, `/echo?text=hello&ms=200` answers the text after that time. Messages are
// answered too, see README.md.

const http = require('node:http');
const express = require('express');
const { MessageBus } = require('drover-worker');

const bus = new MessageBus();
const app = express();
let requests = 0;

app.disable('x-powered-by');
app.use((request, response, next) => {
  response.set('X-Worker', `${process.pid} ${process.env.DROVER_GENERATION ?? 0}`);
  requests += 1;
  next();
});
app.get('/', (request, response) => {
  response.send(`hello from node worker ${process.env.DROVER_SLOT ?? '-'}, pid ${process.pid}\n`);
});
app.get('/echo', (request, response) => {
  setTimeout(() => response.send(request.query.text), Number(request.query.ms ?? 0));
});

// What a request to one of these topics is answered with; what they throw is its Error.
const topics = {
  'drover.conform.echo': (payload) => payload,
  'drover.conform.fail': () => { throw new Error('as was asked for'); },
  'drover.conform.send': async (topic) => { await bus.send(String(topic), ''); return ''; },
  'drover.conform.subscribe': async (topic) => { await bus.subscribe(String(topic)); return ''; },
  'drover.conform.ask': (topic) => bus.request(String(topic), '').catch((error) => error.message),
};

bus.on('message', async (message) => {
  const { topic, payload, from } = message;
  if (!message.isRequest) return console.log(`message ${topic} from ${from}: ${payload.length} bytes`);
  if (!(topic in topics)) return message.fail(`nobody here answers ${topic}`, 'UNIMPLEMENTED');
  try {
    message.reply(await topics[topic](payload));
  } catch (error) {
    message.fail(error, error.code);
  }
});

const server = http.createServer(app);
bus.serve(server, { socket: 'http', port: 8090 });
setInterval(() => bus.status('serving', 0, requests), 1000).unref();
