"""The files with which `up` starts LemonLDAP::NG and its nginx: configure.py FOLDER PORTS OVERRIDES

PORTS: by whom a recording is sent to, see tests/fixtures/llng/README.md, and `behind`, where the protected
application listens; one that is not given is chosen, and ports.json has them all.
OVERRIDES: keys of LemonLDAP::NG that differ from the base; null takes one away.
"""

import json
import socket
import sys
from pathlib import Path

PORTS = ("portal", "portal over http", "application", "application over tls", "handler", "behind")
PROTECTED = "test1.example.com"


def storage(folder, kind):
    """Sessions as files."""
    options = {
        "Directory": f"{folder}/{kind}",
        "LockDirectory": f"{folder}/{kind}/lock",
        "generateModule": "Lemonldap::NG::Common::Apache::Session::Generate::SHA256",
    }
    Path(options["LockDirectory"]).mkdir(parents=True, exist_ok=True)
    return options


def base(folder):
    """What the recordings' configurations have in common, and where this one keeps its files."""
    return {
        **json.loads((Path(__file__).parent / "base.json").read_text()),
        "globalStorage": "Apache::Session::File",
        "globalStorageOptions": storage(folder, "sessions"),
        "persistentStorage": "Apache::Session::File",
        "persistentStorageOptions": storage(folder, "psessions"),
        "localSessionStorage": "Cache::FileCache",
        "localSessionStorageOptions": {"cache_root": f"{folder}/cache", "namespace": "sessions"},
        # Any module that loads: the default needs Image::Magick, even with all captchas off.
        "captcha": "::UserDB::Null",
    }


def ini(folder, config):
    """Where LemonLDAP::NG finds the rest."""
    return f"""[all]
logLevel = notice
logger = Lemonldap::NG::Common::Logger::Std
checkTime = 600
[configuration]
type = File
dirName = {folder}/conf
[portal]
staticPrefix = /static
templateDir = /usr/share/lemonldap-ng/portal/templates
languages = en
[handler]
useRedirectOnError = {config.get("useRedirectOnError", 1)}
"""


def nginx(folder, ports, exports):
    """Debian's documented configuration, on loopback.

    The ports of the portal and of the protected application speak plain HTTP and say what they would be in
    production: https on 443 and http on 80.
    """
    server = f"fastcgi_pass unix:{folder}/llng.sock; include /etc/nginx/fastcgi_params; fastcgi_param HTTP_HOST $host;"
    tls = "fastcgi_param HTTPS on; fastcgi_param REQUEST_SCHEME https; fastcgi_param SERVER_PORT 443;"
    plain = "fastcgi_param SERVER_PORT 80;"
    check = f"""{server}
            fastcgi_pass_request_body off;
            fastcgi_param CONTENT_LENGTH "";
            fastcgi_param X_ORIGINAL_URI $original_uri;"""

    def portal(name, scheme):
        return f"""
    server {{
        listen 127.0.0.1:{ports[name]};
        rewrite ^/(.*)$ /index.psgi/$1 break;
        location / {{
            {server} {scheme}
            fastcgi_param LLTYPE psgi;
            fastcgi_split_path_info ^(.*\\.psgi)(/.*)$;
            fastcgi_param SCRIPT_FILENAME /usr/share/lemonldap-ng/portal/htdocs/index.psgi;
            fastcgi_param PATH_INFO $fastcgi_path_info;
        }}
    }}"""

    set_exports = "".join(
        f"""
            auth_request_set $export_{name} $upstream_http_{name};
            proxy_set_header {header} $export_{name};"""
        for header, name in ((header, header.lower().replace("-", "_")) for header in exports)
    )
    temporary = "".join(
        f"    {module}_temp_path {folder}/temporary;\n"
        for module in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )

    def application(name, scheme):
        return f"""
    server {{
        listen 127.0.0.1:{ports[name]};
        location = /lmauth {{
            internal;
            {check} {scheme}
        }}
        location / {{
            # Here and not in the server, where the subrequest would set it again.
            set $original_uri $uri$is_args$args;
            auth_request /lmauth;
            auth_request_set $lmlocation $upstream_http_location;
            error_page 401 $lmlocation;{set_exports}
            auth_request_set $lmcookie $upstream_http_cookie;
            proxy_set_header Cookie $lmcookie;
            proxy_set_header Host $http_host;
            proxy_pass http://127.0.0.1:{ports["behind"]};
        }}
    }}"""

    return f"""user www-data;
worker_processes 1;
pid {folder}/nginx.own.pid;
daemon off;
events {{}}
http {{
{temporary}    access_log off;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Test-Client-IP;
    {portal("portal", tls)}
    {portal("portal over http", plain)}
    {application("application", plain)}
    {application("application over tls", tls)}
    server {{
        listen 127.0.0.1:{ports["handler"]};
        location / {{
            set $original_uri $uri$is_args$args;
            {check} {plain}
        }}
    }}
}}
"""


def free_port():
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def main():
    folder, given, overrides = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
    files = Path(folder)
    ports = {name: given.get(name) or free_port() for name in PORTS}
    config = {**base(folder), **overrides}
    config = {key: value for key, value in config.items() if value is not None}
    (files / "conf").mkdir()
    (files / "ports.json").write_text(json.dumps(ports) + "\n")
    (files / "conf/lmConf-1.json").write_text(json.dumps(config, indent=1))
    (files / "lemonldap-ng.ini").write_text(ini(folder, config))
    exports = config["exportedHeaders"].get(PROTECTED, {})
    (files / "nginx.conf").write_text(nginx(folder, ports, exports))


main()
