# What is in config.ru, and how it leaves. At SIGTERM puma closes connections that are idle, even if a request is on its way. So it takes
# no more connections first, and for a second its answers say that they are the last ones; then it stops.
leaving = false
stop = trap("TERM") do # puma has set its own before it reads this
  leaving = true
  Thread.new do
    IO.for_fd(3, autoclose: false).reopen(TCPServer.new("127.0.0.1", 0)) # Drover's socket goes on at the other workers
    sleep 1
    stop.call
  end
end

app, = Rack::Builder.parse_file("config.ru")
run lambda { |env|
  status, headers, body = app.call(env)
  [status, leaving ? headers.merge("Connection" => "close") : headers, body]
}
