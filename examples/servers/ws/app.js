const http = require('node:http');
const { WebSocketServer } = require('ws');

const server = http.createServer((request, response) => {
  const { searchParams } = new URL(request.url, 'http://here');
  response.setHeader('X-Worker', `${process.pid} ${process.env.DROVER_GENERATION}`);
  setTimeout(() => response.end(searchParams.get('text')), Number(searchParams.get('ms')));
});
new WebSocketServer({ server }).on('connection', (socket) => {
  socket.on('message', (data) => socket.send(`${process.pid} ${data}`));
});
server.listen(3000);
