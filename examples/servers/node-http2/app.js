const http2 = require('node:http2');

http2.createServer((request, response) => {
  const { searchParams } = new URL(request.url, 'http://here');
  response.setHeader('X-Worker', `${process.pid} ${process.env.DROVER_GENERATION}`);
  setTimeout(() => response.end(searchParams.get('text')), Number(searchParams.get('ms')));
}).listen(3000);
