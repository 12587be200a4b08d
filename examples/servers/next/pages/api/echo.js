export default async function echo(request, response) {
  const { text, ms } = request.query;
  await new Promise((done) => setTimeout(done, Number(ms)));
  response.setHeader('X-Worker', `${process.pid} ${process.env.DROVER_GENERATION}`);
  response.setHeader('Content-Length', Buffer.byteLength(text));
  response.end(text);
}
