"""The faults, each with what the doctor must say of it: what is wrong, and what to do."""

from db.schema import HEAD
from tests.live.injected import (
    OUT,
    SAMPLE,
    Fault,
    P,
    Said,
    W,
    application_is_away,
    cli,
    clock_is_behind,
    conf,
    deck,
    dialplan,
    disk_has,
    feature_codes_are_away,
    feature_codes_run_as_nobody,
    folder_of_legs_is_missing,
    journal_is_no_wal,
    leg_log_was_declined,
    legs_say,
    mail_server_shows_a_certificate,
    mode,
    overwritten,
    phone_has,
    phone_names_the_carrier,
    phones,
    pjsip,
    portal_shows_a_certificate,
    settings,
    somebody_called_past_us,
    sounds,
    sounds_are_elsewhere,
    sql,
    without_leg_log,
    written,
)

RENDER = "tollgate dialplan render"
NOT_ASKED = "cannot be asked how it is: it is not running with these settings"
OTHER_CONTEXTS = Said("dialplan", W, "written by another version, or for another plan", RENDER)
NOBODY_SPEAKS = Said("features", W, "nobody speaks to those who dial *80", "tollgate serve")
FORGETS = "Dial(PJSIP/${TOLLGATE_DIAL}@${ARG1},20,giL(${limit}))"

SITE_FAULTS = (
    Fault(
        name="settings that are no TOML",
        inject=written("\n[call\n"),
        says=(Said("settings", P, "is not valid TOML", "correct it"),),
        heard=True,
    ),
    Fault(
        name="a setting that there is not",
        inject=written("\n[call]\nring_timeout = 30\n"),
        says=(Said("settings", P, "call.ring_timeout", "correct it"),),
        heard=True,
    ),
    Fault(
        name="passwords that others may read",
        inject=mode(0o644, lambda patient: patient.paid.settings_file),
        says=(Said("secrets", P, "holds passwords and others may read it", "chmod 600"),),
    ),
    Fault(
        name="a ledger that everybody may read",
        inject=mode(0o644, lambda patient: patient.ledger),
        says=(Said("secrets", P, "everybody on this machine may read the ledger", "chmod 600"),),
    ),
    Fault(
        name="a ledger that others may write to",
        inject=mode(0o660, lambda patient: patient.ledger),
        says=(Said("secrets", P, "others may write to the ledger", "chmod 600"),),
    ),
    Fault(
        name="phones in another country than the plan's, and the old contexts",
        inject=settings(site={"country": "FR"}),
        says=(
            Said(
                "plan", W, "dials as one does in FR, and its plan is of GB", "tollgate office show"
            ),
            Said("dialplan", P, "Asterisk's [tollgate-", RENDER),
        ),
    ),
    Fault(
        name="a plan that there is not",
        inject=settings(offices__main={"plan": "ukk"}),
        says=(Said("plan", P, "ukk", "name another plan: [offices.main] plan"),),
    ),
    Fault(
        name="a plan in another currency than the money",
        inject=settings(offices__main={"plan": "france"}),
        says=(
            Said("balance", P, "but its plan counts in EUR", "give the office a plan in GBP"),
            Said("rates", P, "wants rates in EUR and there are none, only in GBP", "rates import"),
            Said("dialplan", P, "Asterisk's [tollgate-", RENDER),
        ),
    ),
    Fault(
        name="an office without money",
        inject=settings(offices__branch={}),
        says=(
            Said("balance", W, "office branch: £0.00 available", "tollgate topup"),
            Said("dialplan", W, "no contexts of the office branch yet", RENDER),
            Said("offices", W, "has contexts of no office in particular", "tollgate.main"),
        ),
    ),
    Fault(
        name="a list of phones that is not there",
        inject=settings(site={"phones_file": "nowhere.toml"}),
        says=(Said("phones", P, "nowhere.toml", "correct"),),
    ),
    Fault(
        name="a phone of an office that there is not",
        inject=phones('name = "Workshop"', 'name = "Workshop"\noffice = "branch"'),
        says=(
            Said("phones", P, "branch", "correct"),
            Said("offices", P, "of the office branch", "dial by endpoint"),
        ),
    ),
    Fault(
        name="an extension that is an emergency number",
        inject=phones("[phones.1002]", '[phones.999]\nname = "Door"\n\n[phones.1002]'),
        says=(
            Said("phones", P, "extension 999 is an emergency number", "another extension"),
            Said("endpoints", W, "Asterisk knows no phone 999", "pjsip.conf"),
        ),
    ),
    Fault(
        name="an extension that hides a service",
        inject=phones("[phones.1002]", '[phones.1471]\nname = "Door"\n\n[phones.1002]'),
        says=(
            Said("phones", W, "extension 1471 hides", "another extension"),
            Said("endpoints", W, "Asterisk knows no phone 1471", "pjsip.conf"),
        ),
    ),
    Fault(
        name="a phone that Asterisk does not know",
        inject=phones("[phones.1002]", '[phones.1005]\nname = "Door"\n\n[phones.1002]'),
        says=(Said("endpoints", W, "Asterisk knows no phone 1005", "pjsip.conf"),),
    ),
    Fault(
        name="a phone that nobody pays for",
        inject=phones("[phones.1002]", "[phones.1002]\nenabled = false"),
        says=(Said("endpoints", W, "1002 may dial, and is no phone of", "phones.toml"),),
    ),
    Fault(
        name="a carrier in the settings that Asterisk does not know",
        inject=settings(trunks__bakcup={}),
        says=(Said("endpoints", W, "[trunks.bakcup]", "the name of an endpoint"),),
    ),
    Fault(
        name="SIP on the network",
        inject=settings(asterisk={"sip_address": "192.0.2.1"}),
        says=(Said("addresses", W, "SIP listens on 192.0.2.1", "the Internet cannot reach it"),),
    ),
    Fault(
        name="an engine that cannot record",
        inject=settings(prompts={"engine": "recorded"}),
        says=(Said("engines", W, "want recordings of your own", "[prompts] recorded_folder"),),
        heard=True,
    ),
)
LEDGER_FAULTS = (
    Fault(
        name="no ledger",
        inject=settings(database={"url": "sqlite:///nowhere.sqlite"}),
        says=(
            Said("database", P, "there is no ledger yet in", "tollgate ledger prepare"),
            Said("processes", P, f"the application (ari_app) {NOT_ASKED}", "same settings"),
            Said("processes", W, f"the feature codes (agi) {NOT_ASKED}", "same settings"),
        ),
    ),
    Fault(
        name="a ledger where SQLite has no write-ahead log",
        inject=journal_is_no_wal,
        says=(
            Said("durability", P, "journal_mode=delete", "to a local disk"),
            Said("processes", P, f"the application (ari_app) {NOT_ASKED}", "same settings"),
            Said("processes", W, f"the feature codes (agi) {NOT_ASKED}", "same settings"),
        ),
    ),
    Fault(
        name="a ledger that its server may only read",
        inject=feature_codes_run_as_nobody,
        needs_root=True,
        says=(
            Said("processes", P, "cannot use the ledger: attempt to write a readonly", "chown "),
            NOBODY_SPEAKS,
        ),
    ),
    Fault(
        name="tables of an older version",
        inject=sql(
            "UPDATE alembic_version SET version_num = '0' || version_num",
            "UPDATE alembic_version SET version_num = substr(version_num, 2)",
        ),
        says=(
            Said("database", P, f"the tables are of version 0{HEAD}, not {HEAD}", "ledger prepare"),
        ),
    ),
    Fault(
        name="tables of a newer version",
        inject=sql(
            "UPDATE alembic_version SET version_num = '9' || version_num",
            "UPDATE alembic_version SET version_num = substr(version_num, 2)",
        ),
        says=(
            Said("database", P, "newer than this Tollgate's", "run the Tollgate that made them"),
        ),
    ),
    Fault(
        name="a balance that its entries do not add up to",
        inject=sql(
            "UPDATE balances SET micros = micros + 1",
            "UPDATE balances SET micros = micros - 1",
            without_trigger="balances_rule_update",
        ),
        says=(Said("ledger", P, "disagreements", "tollgate ledger verify"),),
    ),
    Fault(
        name="an entry that is still to come",
        inject=sql(
            "UPDATE entries SET posted_at = datetime(posted_at, '+1 day')",
            "UPDATE entries SET posted_at = datetime(posted_at, '-1 day')",
            without_trigger="entries_refuse_update",
        ),
        says=(Said("ledger", P, "which is still to come", "timedatectl set-ntp true"),),
    ),
    Fault(
        name="a disk that is nearly full",
        inject=disk_has(1024**3),
        says=(Said("disk", W, "only 1.0 GB free", "make room"),),
    ),
    Fault(
        name="a full disk",
        inject=disk_has(1024**2),
        says=(Said("disk", P, "only 0.0 GB free", "every paid call is refused"),),
    ),
    Fault(
        name="no rates",
        inject=sql(
            "UPDATE rate_decks SET currency = 'USD'",
            "UPDATE rate_decks SET currency = 'GBP'",
        ),
        says=(Said("rates", P, "wants rates in GBP and there are none", "tollgate rates import"),),
    ),
    Fault(
        name="rates of last year",
        inject=sql(
            "UPDATE deck_changes SET changed_at = datetime(changed_at, '-365 days')",
            "UPDATE deck_changes SET changed_at = datetime(changed_at, '+365 days')",
        ),
        says=(Said("rates", W, "in force for 365 days", "its present prices"),),
    ),
    Fault(
        name="a rate of 0",
        inject=deck(f"{SAMPLE}8816,Satellite,0,0,0,60,60,2026-01-01\n"),
        says=(Said("rates", W, "1 GBP rates of laboratory are 0", "tollgate rates rollback"),),
    ),
    Fault(
        name="a deck without the country of the plan",
        inject=deck("prefix,destination,per_minute\n33,France,0.02\n49,Germany,0.02\n"),
        says=(Said("rates", W, "knows countries without any rate: GB", "tollgate rates import"),),
    ),
)
CARD = (
    "INSERT INTO cards (office_id, processor, customer_id, method_id, brand, last_four,"
    " expiry_month, expiry_year, added_by, added_at) VALUES ('main', 'sandbox', 'cus_1', 'pm_1',"
    " 'Visa', '4242', 12, 2099, 'admin', '2026-01-01 00:00:00.000000')"
)
USER = (
    "INSERT INTO users (address, name, created_at)"
    " VALUES ('ann@example.com', 'Ann', '2026-01-01 00:00:00.000000')"
)
MONEY_IN_FAULTS = (
    Fault(
        name="cards that nobody charges",
        inject=sql(CARD, "DELETE FROM cards"),
        says=(
            Said("money in", P, "the worker of card payments (payments)", "tollgate serve"),
            Said("money in", W, "cards are charged by the sandbox", "docs/payments.md"),
            Said("money in", W, "no receipt is issued", "[topups] seller_name"),
        ),
    ),
    Fault(
        name="managers whose portal does not run",
        inject=sql(USER, "DELETE FROM users"),
        says=(Said("portal", P, "to which 1 have access, cannot be asked", "tollgate serve"),),
    ),
    Fault(
        name="a portal whose certificate browsers do not believe",
        inject=portal_shows_a_certificate(days=30, believed=False),
        says=(Said("certificate", P, "browsers do not believe the certificate of", "renew it"),),
    ),
    Fault(
        name="a portal whose certificate ends soon",
        inject=portal_shows_a_certificate(days=5, believed=True),
        says=(Said("certificate", W, "the certificate of localhost ends on", "renew it"),),
    ),
    Fault(
        name="a portal that nobody reaches",
        inject=settings(portal={"public_url": "https://127.0.0.1:9"}),
        says=(Said("certificate", W, "cannot be reached from here", "look at it from outside"),),
    ),
    Fault(
        name="a mail server that is away",
        inject=settings(notices={"smtp_host": "127.0.0.1", "smtp_port": 9}),
        says=(Said("money in", P, "the mail server 127.0.0.1:9 cannot be used", "[notices]"),),
    ),
    Fault(
        name="a mail server whose certificate ends soon",
        inject=mail_server_shows_a_certificate(days=5),
        says=(Said("money in", W, "the certificate of localhost:", "ask who runs the mail"),),
    ),
)
SOUND_FAULTS = (
    Fault(
        name="a sound that is missing",
        inject=sounds(lambda folder: (folder / "running-low.wav16").unlink()),
        says=(Said("prompts", P, "en: missing: running-low", "prompts build --language en"),),
        heard=True,
    ),
    Fault(
        name="a sound that is no sound any more",
        inject=sounds(overwritten),
        says=(Said("prompts", P, "en: damaged: your-balance-is", "prompts build --language en"),),
        heard=True,
    ),
    Fault(
        name="sounds where Asterisk does not look",
        inject=sounds_are_elsewhere,
        says=(Said("sounds", P, "callers hear silence", "link LANGUAGE/tollgate"),),
    ),
)
ASTERISK_FAULTS = (
    Fault(
        name="another ARI password than Asterisk's",
        inject=settings(ari={"password": "another"}),
        says=(Said("ari", P, "does not accept the password of tollgate", "in ari.conf"),),
    ),
    Fault(
        name="ARI where nobody listens",
        inject=settings(ari={"base_url": "http://127.0.0.1:9"}),
        says=(Said("ari", P, "cannot be reached: nothing listens there", "http.conf"),),
    ),
    Fault(
        name="another AMI secret than Asterisk's",
        inject=settings(ami={"secret": "another"}),
        says=(Said("ami", P, "does not let tollgate in", "in manager.conf"),),
    ),
    Fault(
        name="AMI where nobody listens",
        inject=settings(ami={"port": 9}),
        says=(Said("ami", P, "cannot be reached: nothing listens there", "manager.conf"),),
    ),
    Fault(
        name="AMI that does not answer over HTTP",
        inject=conf("manager.conf", "webenabled = yes", "webenabled = no", "manager reload"),
        says=(Said("AMI over HTTP", W, "AMI does not answer over HTTP", "webenabled = yes"),),
    ),
    Fault(
        name="an application that does not run",
        inject=application_is_away,
        says=(
            Said("application", P, "tollgate is not connected: paid calls are", "tollgate serve"),
            Said("processes", P, f"the application (ari_app) {NOT_ASKED}", "tollgate serve"),
        ),
    ),
    Fault(
        name="another name of the application than the dialplan's",
        inject=settings(ari={"app_name": "billing"}),
        says=(
            Said("application", P, "the application billing is not connected", "tollgate serve"),
            OTHER_CONTEXTS,
            Said("ways", W, "what the application tollgate does cannot be followed", "no trunk"),
        ),
    ),
    Fault(
        name="nobody who answers feature codes",
        inject=feature_codes_are_away,
        says=(
            NOBODY_SPEAKS,
            Said("processes", W, f"the feature codes (agi) {NOT_ASKED}", "tollgate serve"),
        ),
    ),
    Fault(
        name="clocks that differ",
        inject=clock_is_behind,
        says=(Said("Asterisk's clock", W, "3600 s ahead of this machine's", "timedatectl"),),
    ),
    Fault(
        name="contexts of an older version",
        inject=conf(
            "tollgate.conf",
            "[tollgate-stamp]\nexten => ",
            "[tollgate-stamp]\nexten => 0",
            "dialplan reload",
        ),
        says=(OTHER_CONTEXTS,),
    ),
    Fault(
        name="contexts from before there were stamps",
        inject=conf("tollgate.conf", "[tollgate-stamp]", "[stamp]", "dialplan reload"),
        says=(Said("dialplan", W, "written by an earlier Tollgate", RENDER),),
    ),
    Fault(
        name="contexts that are not loaded",
        inject=dialplan("#tryinclude tollgate.conf", "; #tryinclude tollgate.conf"),
        says=(Said("loaded", P, "Asterisk has no [tollgate-emergency]", RENDER),),
    ),
    Fault(
        name="no dialplan at all",
        inject=cli("module unload pbx_config.so", "module load pbx_config.so"),
        says=(Said("loaded", P, "has not read extensions.conf", "module load pbx_config.so"),),
    ),
    Fault(
        name="a log of legs that Asterisk declined to write",
        inject=leg_log_was_declined,
        says=(Said("leg log", P, "cel_custom.so does not run", "module load cel_custom.so"),),
    ),
    Fault(
        name="a log of legs whose folder is missing",
        inject=folder_of_legs_is_missing,
        says=(Said("leg log", P, "the folder of Asterisk's log of legs is missing", "install -d"),),
    ),
    Fault(
        name="no log of legs in the settings",
        inject=without_leg_log,
        says=(Said("leg log", W, "without Asterisk's log of legs", "cel_file"),),
    ),
    Fault(
        name="a log of legs that does not say who was dialled",
        inject=legs_say("EventType,EventTime,UniqueID,LinkedID,ChanName,EventExtra"),
        says=(Said("leg log", W, "does not say who was dialled", "fields AppData and DNID"),),
    ),
    Fault(
        name="a leg that nobody paid for",
        inject=somebody_called_past_us,
        says=(Said("ungated legs", P, "1 leg to a trunk in the last day", "see `ways`"),),
    ),
    Fault(
        name="Asterisk that does not list its sounds",
        inject=cli("module unload res_ari_sounds.so", "module load res_ari_sounds.so"),
        says=(Said("sounds", W, "does not list its sounds", "module load res_ari_sounds.so"),),
    ),
)
DIALPLAN_FAULTS = (
    Fault(
        name="an outbound context before ours",
        inject=dialplan(
            "include => services\n", f"include => services\ninclude => out\n{OUT}[phones](+)\n"
        ),
        checks=("ungated", "unfiltered-number"),
        says=(
            Said("ways", P, "nobody pays when 1001, 1002 dials 0", "include => tollgate"),
            # Where a phone forwards its calls to [phones], a caller from outside gets there, too.
            Said("ways", P, "nobody pays when a caller from outside", "include => tollgate"),
        ),
    ),
    Fault(
        name="a prefix for a line that takes 999 as well",
        inject=dialplan(
            "include => tollgate-emergency\ninclude => internal", "include => internal"
        ),
        checks=("emergency-gated",),
        says=(Said("ways", P, "in [phones] the emergency number 999", "include => tollgate"),),
    ),
    Fault(
        name="a menu that dials out for callers from outside",
        inject=dialplan("exten => i,1,Hangup()", "exten => _0X.,1,Dial(PJSIP/${EXTEN}@trunk)"),
        checks=("ungated",),
        says=(Said("ways", P, "nobody pays when a caller from outside", "include => tollgate"),),
    ),
    Fault(
        name="a phone in a context that there is not",
        inject=pjsip("[1001](phone)\ncontext = phones\n", "[1001](phone)\ncontext = phnes\n"),
        checks=("emergency-nowhere",),
        says=(Said("ways", P, "in [phnes] the emergency number", "include => tollgate"),),
    ),
    Fault(
        name="a trunk that forgets when the paid time is over",
        inject=dialplan(FORGETS, FORGETS.replace("giL(${limit})", "gi")),
        checks=("unlimited",),
        says=(Said("trunks", P, "does not end when the paid time is over", "each Dial as in"),),
    ),
    Fault(
        name="a trunk that follows where a call is forwarded",
        inject=dialplan(FORGETS, FORGETS.replace("giL", "gL")),
        checks=("unlimited",),
        says=(Said("trunks", P, "without the option i", "each Dial as in"),),
    ),
    Fault(
        name="a trunk that does not exist",
        inject=dialplan("Gosub(paid-leg,s,1(backup))", "Gosub(paid-leg,s,1(bakcup))"),
        says=(Said("trunks", P, "there is no endpoint bakcup", "each Dial as in"),),
    ),
    Fault(
        name="no context of a trunk",
        inject=dialplan("[tollgate-trunk]", "[trunk]"),
        says=(Said("trunks", P, "Asterisk has no [tollgate-trunk]", RENDER),),
    ),
    Fault(
        name="emergency calls with a limit",
        inject=dialplan(
            "Dial(PJSIP/${ARG1}@emergency,,i)", "Dial(PJSIP/${ARG1}@emergency,,iL(60000))"
        ),
        says=(Said("trunks", P, "an emergency call must have no limit", "each Dial as in"),),
    ),
    Fault(
        name="emergency calls on the trunk of the paid ones",
        inject=dialplan("Dial(PJSIP/${ARG1}@emergency,,i)", "Dial(PJSIP/${ARG1}@trunk,,i)"),
        says=(
            Said("dead legs", P, "which dials [trunk], is cut after 60 s", "[emergency](trunk)"),
        ),
    ),
    Fault(
        name="a phone that is dialled wherever it says it is",
        inject=dialplan(
            "exten => 600,1,Answer()",
            "exten => 601,1,Dial(PJSIP/1001,20,i)\nexten => 600,1,Answer()",
        ),
        says=(
            Said("contacts", P, "is dialled as it is in [internal] 601", "tollgate-phone-contacts"),
        ),
    ),
    Fault(
        name="a phone that a variable names, dialled wherever it says it is",
        inject=dialplan(
            "Dial(${GOSUB_RETVAL},20,i)\n same => n(away),Set",
            "Dial(PJSIP/${ARG1},20,i)\n same => n(away),Set",
        ),
        says=(Said("contacts", P, "is dialled as it is in [ring] s", "tollgate-phone-contacts"),),
    ),
)
PJSIP_FAULTS = (
    Fault(
        name="emergency calls that silence ends",
        inject=pjsip("[emergency](trunk)\nrtp_timeout = 0", "[emergency](trunk)\nrtp_timeout = 30"),
        says=(
            Said("dead legs", P, "[emergency], is cut after 30 s without sound", "rtp_timeout = 0"),
        ),
    ),
    Fault(
        name="emergency calls that a refused refresh ends",
        inject=pjsip("rtp_timeout_hold = 0\ntimers = no", "rtp_timeout_hold = 0\ntimers = always"),
        says=(
            Said("dead legs", P, "[emergency], is cut where the carrier refuses", "timers = no"),
        ),
    ),
    Fault(
        name="emergency calls that agree to be refreshed",
        inject=pjsip("rtp_timeout_hold = 0\ntimers = no", "rtp_timeout_hold = 0\ntimers = yes"),
        says=(
            Said("dead legs", W, "[emergency], is cut where the carrier refuses", "timers = no"),
        ),
    ),
    Fault(
        name="a trunk that forces refreshes",
        inject=pjsip("\n[emergency](trunk)", "\ntimers = always\n[emergency](trunk)"),
        says=(Said("dead legs", P, "[trunk] has timers = always", "timers = no for [trunk]"),),
    ),
    Fault(
        name="a trunk whose dead legs nothing ends",
        inject=pjsip("\nrtp_timeout = 60\n", "\nrtp_timeout = 0\n"),
        says=(Said("dead legs", W, "nothing ends a leg to [trunk]", "rtp_timeout = 60"),),
    ),
    Fault(
        name="a trunk with another limit of silence than the settings'",
        inject=settings(trunks__trunk={"rtp_timeout_s": 90}),
        says=(
            Said("dead legs", W, "[trunk] ends after 60 s without sound", "rtp_timeout of [trunk]"),
        ),
    ),
    Fault(
        name="a phone that forces refreshes",
        inject=phone_has("timers = always"),
        says=(Said("dead legs", P, "calls of 1001 are cut", "timers = no"),),
    ),
    Fault(
        name="a phone that is cut off soon",
        inject=phone_has("rtp_timeout = 30"),
        says=(Said("dead legs", W, "when the phone sends no sound for 30 s", "rtp_timeout = 600"),),
    ),
    Fault(
        name="a phone that may transfer calls",
        inject=phone_has("allow_transfer = yes"),
        says=(Said("ways", W, "Asterisk lets 1001 transfer calls", "allow_transfer = no"),),
    ),
    Fault(
        name="a phone that may be at the carrier's address",
        inject=pjsip("contact_deny", "; contact_deny", times=-1),
        says=(
            Said("contacts", P, "can go to the carrier, unpaid", "contact_deny = every address"),
        ),
    ),
    Fault(
        name="a phone whose forwards are followed",
        inject=phone_has("redirect_method = uri_pjsip"),
        says=(
            Said("contacts", P, "wherever the phone forwards it (302)", "redirect_method = user"),
        ),
    ),
    Fault(
        name="a phone that has registered a way to the carrier",
        inject=phone_names_the_carrier,
        says=(
            Said("contacts", P, "the phone 1002 has registered sip:", "must be an address alone"),
        ),
    ),
)
FAULTS = (
    *SITE_FAULTS,
    *LEDGER_FAULTS,
    *MONEY_IN_FAULTS,
    *SOUND_FAULTS,
    *ASTERISK_FAULTS,
    *DIALPLAN_FAULTS,
    *PJSIP_FAULTS,
)
