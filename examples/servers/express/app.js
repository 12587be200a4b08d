const express = require('express');

const app = express();
app.get('/echo', (request, response) => {
  const { text, ms } = request.query;
  response.set('X-Worker', `${process.pid} ${process.env.DROVER_GENERATION}`);
  setTimeout(() => response.send(text), Number(ms));
});
app.listen(3000);
