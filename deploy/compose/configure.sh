#!/bin/sh
# Writes the configuration of the platform and of the sandbox to a folder, with keys made on the
# spot. What is there already stays: tickets and sessions outlive a restart.
set -eu
folder="$1"

seed() { head -c 32 /dev/urandom | base64 -w0; }
token() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

if [ ! -e "$folder/marquee.toml" ]; then
    secret_key="sk_test_$(token)"
    publishable_key="pk_test_$(token)"
    webhook_secret="whsec_$(token)"

    cat > "$folder/paysim.env" <<END
export PAYSIM_SECRET_KEY='$secret_key'
export PAYSIM_PUBLISHABLE_KEY='$publishable_key'
export PAYSIM_WEBHOOK_SECRET='$webhook_secret'
END

    cat > "$folder/marquee.toml.new" <<END
[gateway]
supergraph = "/usr/share/marquee/supergraph.graphql"

[booking]
ticket_signing_key = "$(seed)"

[booking.payments]
api_base = "http://paysim:4010"
secret_key = "$secret_key"
publishable_key = "$publishable_key"
webhook_secrets = ["$webhook_secret"]
pay_url_template = "http://127.0.0.1:4010/pay/{intent}?client_secret={client_secret}"

[user]
signing_key = "$(seed)"

[notifications]
mail_dir = "/var/lib/marquee/mail"
END
    # Last, since its presence says that all is there.
    mv "$folder/marquee.toml.new" "$folder/marquee.toml"
fi

# Readable by the user that the platform runs as, and by nobody else.
chown marquee:marquee "$folder"/*
chmod 0400 "$folder"/*
