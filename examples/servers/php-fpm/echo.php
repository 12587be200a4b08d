<?php
// Says back `text`, after `ms` milliseconds.
usleep(1000 * (int) ($_GET['ms'] ?? 0));
$text = $_GET['text'] ?? 'hello';
header('Content-Type: text/plain');
header('Content-Length: ' . strlen($text));
header('X-Worker: ' . getmypid() . ' ' . getenv('DROVER_GENERATION'));
echo $text;
