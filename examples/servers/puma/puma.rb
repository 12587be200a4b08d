threads 8, 8
raise_exception_on_sigterm false                # it exits with 0
rackup "drover.ru"                              # config.ru, and how it leaves
bind_to_activated_sockets "only"
