require "socket"
require "webrick"

WORKER = "#{Process.pid} #{ENV["DROVER_GENERATION"]}"

server = WEBrick::HTTPServer.new(DoNotListen: true, AccessLog: [])
server.listeners << TCPServer.for_fd(3) # Drover's

# Says back `text`, after `ms` milliseconds.
server.mount_proc("/echo") do |request, response|
  sleep request.query.fetch("ms", 0).to_i / 1000.0
  response["X-Worker"] = WORKER
  response.body = request.query.fetch("text", "hello")
end

leaving = false
server.define_singleton_method(:service) do |request, response|
  super(request, response)
ensure
  response.keep_alive = false if leaving
end

# WEBrick's own shutdown would shut the socket down for every worker, and close connections that are idle, even if a request is on its
# way. So it gives the socket up first, and for a second its answers say that they are the last ones.
trap("TERM") do
  leaving = true
  Thread.new do
    server.listeners.each(&:close).clear
    sleep 1
    server.shutdown
  end
end

if (notify = ENV.delete("NOTIFY_SOCKET"))
  server.config[:StartCallback] = -> { Socket.open(:UNIX, :DGRAM) { |socket| socket.send("READY=1", 0, Socket.sockaddr_un(notify)) } }
end
server.start
