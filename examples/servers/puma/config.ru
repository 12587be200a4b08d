require "rack/utils"

WORKER = "#{Process.pid} #{ENV["DROVER_GENERATION"]}"

# Says back `text`, after `ms` milliseconds.
run lambda { |env|
  query = Rack::Utils.parse_query(env["QUERY_STRING"])
  sleep query.fetch("ms", 0).to_i / 1000.0
  body = query.fetch("text", "hello")
  [200, { "Content-Type" => "text/plain", "Content-Length" => body.bytesize.to_s, "X-Worker" => WORKER }, [body]]
}
