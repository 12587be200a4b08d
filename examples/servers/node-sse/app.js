const http = require('node:http');

http.createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://here');
  response.setHeader('X-Worker', `${process.pid} ${process.env.DROVER_GENERATION}`);
  if (pathname !== '/events') return setTimeout(() => response.end(searchParams.get('text')), Number(searchParams.get('ms')));
  response.setHeader('Content-Type', 'text/event-stream');
  const ticks = setInterval(() => response.write(`data: ${process.pid}\n\n`), 100);
  response.on('close', () => clearInterval(ticks));
}).listen(3000);
