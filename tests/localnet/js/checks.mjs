// Drives a localnet through the official JavaScript SDK and prints one line of JSON: {name: "" or what was wrong}.
// node checks.mjs URL PASSPHRASE SDK REPLICA    SDK is the SDK's folder, REPLICA the late address

import { createRequire } from "node:module";
import assert from "node:assert/strict";

const [url, passphrase, home, replica] = process.argv.slice(2);
const sdk = createRequire(`${home}/`)("@stellar/stellar-sdk");
const { Asset, BASE_FEE, Claimant, FeeBumpTransaction, Horizon, Keypair, Memo, Operation, Transaction, TransactionBuilder, xdr } = sdk;

const server = new Horizon.Server(url, { allowHttp: true });
const found = {};

async function check(name, body) {
  try {
    await body();
    found[name] = "";
  } catch (error) {
    found[name] = `${error.constructor.name}: ${error.message} ${JSON.stringify(error.response?.data ?? error.response ?? "")}`.slice(0, 600);
  }
}

async function fund() {
  const key = Keypair.random();
  await server.friendbot(key.publicKey()).call();
  return key;
}

async function build(key, operations, options = {}) {
  const account = await server.loadAccount(key.publicKey());
  const builder = new TransactionBuilder(account, { fee: BASE_FEE, networkPassphrase: passphrase, ...options });
  operations.forEach((one) => builder.addOperation(one));
  const transaction = builder.setTimeout(0).build();
  transaction.sign(key);
  return transaction;
}

async function apply(key, ...operations) {
  return server.submitTransaction(await build(key, operations));
}

async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return error.response?.data ?? error.response;
  }
  throw new Error("it was not refused");
}

async function next(stream) {
  return new Promise((resolve, reject) => {
    const close = stream({
      onmessage: (record) => { close(); resolve(record); },
      onerror: (error) => { close(); reject(new Error(`stream: ${error?.message ?? JSON.stringify(error)}`)); },
    });
  });
}

const issuer = await fund(), maker = await fund(), taker = await fund();
const gold = new Asset("GOLD", issuer.publicKey()), silver = new Asset("SILVERCOIN", issuer.publicKey());
const native = Asset.native();
const records = async (builder) => (await builder.call()).records;
let payment, offered, taken, path, created, balance, bumped;

await check("friendbot funds an account", async () => {
  assert.equal((await server.loadAccount(maker.publicKey())).balances[0].balance, "10000.0000000");
});
await check("the root is read", async () => {
  const root = await server.root();
  assert.equal(root.network_passphrase, passphrase);
  assert.equal(root.history_elder_ledger, 1);
});
await check("fee statistics are read", async () => {
  const stats = await server.feeStats();
  assert.equal(stats.last_ledger_base_fee, "100");
  assert.equal(stats.fee_charged.mode, "100");
});
await check("the base fee is read", async () => assert.equal(await server.fetchBaseFee(), 100));
await check("time bounds are made from the server's time", async () => {
  const bounds = await server.fetchTimebounds(100);
  assert.ok(Number(bounds.maxTime) > 0);
});
await check("options are set", async () => {
  const done = await apply(issuer, Operation.setOptions({
    setFlags: sdk.AuthRevocableFlag | sdk.AuthClawbackEnabledFlag, homeDomain: "mint.example",
  }));
  assert.equal(done.successful, true);
});
await check("trust is set", async () => {
  for (const key of [maker, taker]) {
    await apply(key, Operation.changeTrust({ asset: gold }), Operation.changeTrust({ asset: silver, limit: "5000" }));
  }
  const lines = (await server.loadAccount(maker.publicKey())).balances;
  assert.deepEqual(lines.map((line) => line.asset_type), ["credit_alphanum4", "credit_alphanum12", "native"]);
});
await check("a payment settles and its answer is the transaction", async () => {
  payment = await apply(issuer,
    ...[maker, taker].flatMap((key) => [gold, silver].map((asset) =>
      Operation.payment({ destination: key.publicKey(), asset, amount: "1000" }))));
  assert.equal(payment.operation_count, 4);
  assert.equal(payment.fee_charged, "400");
});
await check("an offer is placed and the answer tells what became of it", async () => {
  offered = await apply(maker, Operation.manageSellOffer({ selling: gold, buying: native, amount: "100", price: { n: 2, d: 1 } }));
  assert.equal(offered.offerResults[0].currentOffer.amount, "100");
});
await check("a crossed offer is told with its claimed amounts", async () => {
  taken = await apply(taker, Operation.manageSellOffer({ selling: native, buying: gold, amount: "20", price: { n: 1, d: 2 } }));
  assert.equal(taken.offerResults[0].wasImmediatelyFilled, true);
  assert.equal(taken.offerResults[0].amountBought, "10");
});
await check("a buying and a passive offer are placed", async () => {
  await apply(maker,
    Operation.manageBuyOffer({ selling: native, buying: silver, buyAmount: "10", price: "1" }),
    Operation.createPassiveSellOffer({ selling: silver, buying: gold, amount: "50", price: "0.5" }));
});
await check("paths strict in what is sent are paid", async () => {
  path = await apply(taker, Operation.pathPaymentStrictSend({
    sendAsset: native, sendAmount: "4", destination: taker.publicKey(), destAsset: silver, destMin: "1", path: [gold],
  }));
  assert.equal(path.successful, true);
});
await check("paths strict in what is received are paid", async () => {
  await apply(taker, Operation.pathPaymentStrictReceive({
    sendAsset: native, sendMax: "10", destination: taker.publicKey(), destAsset: silver, destAmount: "2", path: [gold],
  }));
});
await check("a claimable balance is made", async () => {
  const soon = Claimant.predicateNot(Claimant.predicateBeforeRelativeTime("3600"));
  created = await apply(maker, Operation.createClaimableBalance({
    asset: gold, amount: "5", claimants: [new Claimant(taker.publicKey()), new Claimant(maker.publicKey(), soon)],
  }));
  [balance] = await records(server.claimableBalances().claimant(taker.publicKey()));
  assert.equal(balance.amount, "5.0000000");
  assert.equal(balance.claimants.length, 2);
});
await check("a claimable balance's id is what the SDK reckons", async () => {
  const built = await build(maker, [Operation.createClaimableBalance({ asset: native, amount: "1", claimants: [new Claimant(taker.publicKey())] })]);
  await server.submitTransaction(built);
  const ids = (await records(server.claimableBalances().sponsor(maker.publicKey()))).map((one) => one.id);
  assert.ok(ids.includes(built.getClaimableBalanceId(0)));
});
await check("data is written", async () => { await apply(maker, Operation.manageData({ name: "notes", value: "hello" })); });
await check("a sequence number is bumped", async () => {
  const { sequence } = await server.loadAccount(taker.publicKey());
  await apply(taker, Operation.bumpSequence({ bumpTo: (BigInt(sequence) + 10n).toString() }));
  assert.equal((await server.loadAccount(taker.publicKey())).sequence, (BigInt(sequence) + 10n).toString());
});
await check("flags of a line are cleared", async () => {
  await apply(issuer, Operation.setTrustLineFlags({ trustor: taker.publicKey(), asset: silver, flags: { clawbackEnabled: false } }));
});
await check("what was paid is clawed back", async () => {
  await apply(issuer, Operation.clawback({ asset: gold, from: taker.publicKey(), amount: "1" }));
});
await check("an account is merged", async () => {
  const gone = await fund();
  await apply(gone, Operation.accountMerge({ destination: maker.publicKey() }));
  await assert.rejects(server.loadAccount(gone.publicKey()), sdk.NotFoundError);
});
await check("a fee bump settles and is found by both hashes", async () => {
  const inner = await build(maker, [Operation.manageData({ name: "bumped", value: "1" })]);
  const outer = TransactionBuilder.buildFeeBumpTransaction(taker, "300", inner, passphrase);
  outer.sign(taker);
  bumped = await server.submitTransaction(outer);
  assert.equal(bumped.fee_account, taker.publicKey());
  assert.equal(bumped.inner_transaction.hash, Buffer.from(inner.hash()).toString("hex"));
  const byInner = await server.transactions().transaction(bumped.inner_transaction.hash).call();
  assert.equal(byInner.fee_bump_transaction.hash, bumped.hash);
});
for (const [kind, memo, text] of [["text", Memo.text("für dich"), "für dich"], ["id", Memo.id("18446744073709551615"), "18446744073709551615"],
  ["hash", Memo.hash("ab".repeat(32)), Buffer.from("ab".repeat(32), "hex").toString("base64")],
  ["return", Memo.return("cd".repeat(32)), Buffer.from("cd".repeat(32), "hex").toString("base64")]]) {
  await check(`a memo of kind ${kind} comes back`, async () => {
    const done = await server.submitTransaction(await build(maker, [Operation.bumpSequence({ bumpTo: "0" })], { memo }));
    assert.deepEqual([done.memo_type, done.memo], [kind, text]);
  });
}
await check("a muxed payment is told muxed", async () => {
  const muxed = new sdk.MuxedAccount(new sdk.Account(taker.publicKey(), "0"), "7");
  await apply(maker, Operation.payment({ destination: muxed.accountId(), asset: native, amount: "1" }));
  const [one] = await records(server.payments().forAccount(taker.publicKey()).order("desc").limit(1));
  assert.deepEqual([one.to, one.to_muxed, one.to_muxed_id], [taker.publicKey(), muxed.accountId(), "7"]);
});

// what is refused

await check("a failed transaction says which operation failed and how", async () => {
  const data = await refused(apply(taker, Operation.payment({ destination: maker.publicKey(), asset: gold, amount: "999999" }), Operation.bumpSequence({ bumpTo: "0" })));
  assert.deepEqual(data.extras.result_codes, { transaction: "tx_failed", operations: ["op_underfunded", "op_success"] });
  assert.ok(xdr.TransactionResult.fromXDR(data.extras.result_xdr, "base64"));
});
await check("a wrong sequence number is told", async () => {
  const transaction = await build(taker, [Operation.bumpSequence({ bumpTo: "0" })]);
  await server.submitTransaction(await build(taker, [Operation.bumpSequence({ bumpTo: "0" })]));
  transaction.signatures.length = 0;
  const late = new TransactionBuilder(new sdk.Account(taker.publicKey(), "1"), { fee: BASE_FEE, networkPassphrase: passphrase })
    .addOperation(Operation.bumpSequence({ bumpTo: "0" })).setTimeout(0).build();
  late.sign(taker);
  assert.equal((await refused(server.submitTransaction(late))).extras.result_codes.transaction, "tx_bad_seq");
});
await check("a fee below the base fee is refused", async () => {
  const low = await build(taker, [Operation.bumpSequence({ bumpTo: "0" }), Operation.bumpSequence({ bumpTo: "0" })], { fee: "99" });
  assert.equal((await refused(server.submitTransaction(low))).extras.result_codes.transaction, "tx_insufficient_fee");
});
await check("an unsigned transaction is refused", async () => {
  const bare = await build(taker, [Operation.bumpSequence({ bumpTo: "0" })]);
  bare.signatures.length = 0;
  bare.sign(maker);
  assert.equal((await refused(server.submitTransaction(bare))).extras.result_codes.transaction, "tx_bad_auth");
});
await check("what expired is refused", async () => {
  const account = await server.loadAccount(taker.publicKey());
  const old = new TransactionBuilder(account, { fee: BASE_FEE, networkPassphrase: passphrase, timebounds: { minTime: 0, maxTime: 1 } })
    .addOperation(Operation.bumpSequence({ bumpTo: "0" })).build();
  old.sign(taker);
  assert.equal((await refused(server.submitTransaction(old))).extras.result_codes.transaction, "tx_too_late");
});
await check("sent again, a transaction gets the answer that it had", async () => {
  const transaction = await build(taker, [Operation.bumpSequence({ bumpTo: "0" })]);
  const first = await server.submitTransaction(transaction), second = await server.submitTransaction(transaction);
  assert.deepEqual([second.hash, second.ledger, second.paging_token], [first.hash, first.ledger, first.paging_token]);
});
await check("what is handed in without waiting is pending", async () => {
  const answer = await server.submitAsyncTransaction(await build(taker, [Operation.bumpSequence({ bumpTo: "0" })]));
  assert.equal(answer.tx_status, "PENDING");
  while (!(await fetch(`${url}/transactions/${answer.hash}`)).ok);
});
await check("a malformed transaction is told", async () => {
  const answer = await fetch(`${url}/transactions`, { method: "POST", body: new URLSearchParams({ tx: "AAAA" }) });
  const data = await answer.json();
  assert.deepEqual([answer.status, data.title, data.extras], [400, "Transaction Malformed", { envelope_xdr: "AAAA" }]);
});
await check("an account that wants a memo is not paid without one", async () => {
  const strict = await fund();
  await apply(strict, Operation.manageData({ name: "config.memo_required", value: "1" }));
  const transaction = await build(maker, [Operation.payment({ destination: strict.publicKey(), asset: native, amount: "1" })]);
  await assert.rejects(server.submitTransaction(transaction), sdk.AccountRequiresMemoError);
});
await check("what is not there is a NotFoundError", async () => {
  await assert.rejects(server.loadAccount(Keypair.random().publicKey()), sdk.NotFoundError);
});
await check("a wrong cursor is a BadRequestError", async () => {
  const error = await server.ledgers().cursor("sideways").call().then(() => null, (caught) => caught);
  assert.ok(error instanceof sdk.NetworkError);
  assert.deepEqual((error.response.data ?? error.response).extras, { invalid_field: "cursor", reason: "cursor: invalid value" });
});

// accounts and their entries

await check("an account has its signers, flags and thresholds", async () => {
  const account = await server.loadAccount(issuer.publicKey());
  assert.equal(account.home_domain, "mint.example");
  assert.deepEqual(account.flags, { auth_required: false, auth_revocable: true, auth_immutable: false, auth_clawback_enabled: true });
  assert.deepEqual(account.signers, [{ weight: 1, key: issuer.publicKey(), type: "ed25519_public_key" }]);
  assert.equal(account.accountId(), issuer.publicKey());
});
await check("an account's data is read by its link", async () => {
  const account = await server.loadAccount(maker.publicKey());
  assert.deepEqual((await account.data({ key: "notes" })).value, Buffer.from("hello").toString("base64"));
  assert.equal(account.data_attr.notes, Buffer.from("hello").toString("base64"));
});
for (const noun of ["transactions", "operations", "payments", "effects", "offers", "trades"]) {
  await check(`an account's ${noun} are reached by its link`, async () => {
    const account = await server.loadAccount(maker.publicKey());
    assert.ok((await account[noun]({ limit: 5 })).records.length > 0);
  });
}
await check("accounts are found by signer", async () => {
  const [one] = await records(server.accounts().forSigner(maker.publicKey()));
  assert.equal(one.account_id, maker.publicKey());
});
await check("a signer that is no account is told in Horizon's words", async () => {
  const answer = await (await fetch(`${url}/accounts?signer=BAD`)).json();
  assert.deepEqual([answer.status, answer.extras.invalid_field, answer.extras.reason], [400, "signer",
    "Account ID must start with `G` and contain 56 alphanum characters"]);
});
await check("accounts are found by asset", async () => {
  const ids = (await records(server.accounts().forAsset(gold))).map((one) => one.account_id);
  assert.deepEqual(ids, [maker.publicKey(), taker.publicKey()].sort());
});
await check("accounts are found by sponsor", async () => assert.deepEqual(await records(server.accounts().sponsor(maker.publicKey())), []));
await check("offers are found by account", async () => {
  const [one] = await records(server.offers().forAccount(maker.publicKey()));
  assert.equal(one.seller, maker.publicKey());
  assert.equal((await one.offer_maker()).account_id, maker.publicKey());
});
await check("offers are found by seller, selling and buying", async () => {
  for (const builder of [server.offers().seller(maker.publicKey()), server.offers().selling(gold), server.offers().buying(native)]) {
    assert.ok((await records(builder)).length > 0);
  }
});
await check("one offer is read", async () => {
  const [one] = await records(server.offers().forAccount(maker.publicKey()));
  assert.deepEqual((await server.offers().offer(one.id).call()).price_r, one.price_r);
});
await check("an order book has bids and asks", async () => {
  const book = await server.orderbook(gold, native).call();
  assert.equal(book.asks[0].price, "2.0000000");
  assert.equal(book.base.asset_code, "GOLD");
});
await check("assets are listed with what is out", async () => {
  const [one] = await records(server.assets().forCode("GOLD").forIssuer(issuer.publicKey()));
  assert.equal(one.accounts.authorized, 2);
  assert.equal(one.num_claimable_balances, 1);
  assert.equal((await one.toml.href), undefined);
});
await check("a claimable balance is read by id, claimant, sponsor and asset", async () => {
  assert.equal((await server.claimableBalances().claimableBalance(balance.id).call()).id, balance.id);
  for (const builder of [server.claimableBalances().claimant(taker.publicKey()), server.claimableBalances().sponsor(maker.publicKey()), server.claimableBalances().asset(gold)]) {
    assert.ok((await records(builder)).some((one) => one.id === balance.id));
  }
});
await check("a claimable balance's transactions and operations are found", async () => {
  assert.equal((await records(server.transactions().forClaimableBalance(balance.id)))[0].hash, created.hash);
  assert.equal((await records(server.operations().forClaimableBalance(balance.id)))[0].type, "create_claimable_balance");
});
await check("there are no liquidity pools", async () => assert.deepEqual(await records(server.liquidityPools()), []));
await check("paths strict in what is sent are found", async () => {
  const [one] = await records(server.strictSendPaths(native, "2", [gold]));
  assert.equal(one.destination_amount, "1.0000000");
});
await check("paths strict in what is received are found", async () => {
  const [one] = await records(server.strictReceivePaths([native], gold, "1"));
  assert.equal(one.source_amount, "2.0000000");
});
await check("paths from an account are found", async () => {
  assert.ok((await records(server.strictReceivePaths(taker.publicKey(), gold, "1"))).length > 0);
});

// history

await check("a transaction is read and its parts are XDR", async () => {
  const one = await server.transactions().transaction(payment.hash).call();
  const envelope = TransactionBuilder.fromXDR(one.envelope_xdr, passphrase);
  assert.ok(envelope instanceof Transaction);
  assert.equal(Buffer.from(envelope.hash()).toString("hex"), payment.hash);
  assert.equal(xdr.TransactionResult.fromXDR(one.result_xdr, "base64").feeCharged().toString(), one.fee_charged);
});
await check("what a fee did is told before and after", async () => {
  const one = await server.transactions().transaction(payment.hash).call();
  const changes = xdr.LedgerEntryChanges.fromXDR(one.fee_meta_xdr, "base64");
  const [before, after] = [changes[0].state(), changes[1].updated()].map((entry) => entry.data().account());
  assert.equal((BigInt(before.balance().toString()) - BigInt(after.balance().toString())).toString(), one.fee_charged);
});
for (const noun of ["account", "ledger", "operations", "effects", "precedes", "succeeds", "self"]) {
  await check(`a transaction's ${noun} are reached by its link`, async () => {
    const one = await server.transactions().transaction(payment.hash).call();
    assert.ok(await one[noun]());
  });
}
await check("transactions are found by account and ledger", async () => {
  assert.ok((await records(server.transactions().forAccount(issuer.publicKey()))).some((one) => one.hash === payment.hash));
  assert.ok((await records(server.transactions().forLedger(payment.ledger))).some((one) => one.hash === payment.hash));
});
await check("failed transactions are shown on request alone", async () => {
  const shown = await records(server.transactions().forAccount(taker.publicKey()).includeFailed(true).limit(200));
  const hidden = await records(server.transactions().forAccount(taker.publicKey()).limit(200));
  assert.ok(hidden.every((one) => one.successful));
  assert.ok(shown.length >= hidden.length);
});
await check("operations are found by account, ledger and transaction", async () => {
  for (const builder of [server.operations().forAccount(issuer.publicKey()), server.operations().forLedger(payment.ledger), server.operations().forTransaction(payment.hash)]) {
    assert.ok((await records(builder.limit(50))).some((one) => one.transaction_hash === payment.hash));
  }
});
await check("one operation is read and leads to its transaction", async () => {
  const [first] = await records(server.operations().forTransaction(payment.hash));
  const one = await server.operations().operation(first.id).call();
  assert.equal(one.type, "payment");
  assert.equal((await one.transaction()).hash, payment.hash);
});
await check("operations are joined with their transactions", async () => {
  const [one] = await records(server.operations().forTransaction(payment.hash).join("transactions"));
  assert.equal(one.transaction_attr?.hash ?? one.transaction.hash, payment.hash);
});
await check("payments are found by account, ledger and transaction", async () => {
  for (const builder of [server.payments().forAccount(maker.publicKey()), server.payments().forLedger(payment.ledger), server.payments().forTransaction(payment.hash)]) {
    assert.ok((await records(builder.limit(50))).length > 0);
  }
});
await check("effects are found by account, ledger, transaction and operation", async () => {
  const [operation] = await records(server.operations().forTransaction(payment.hash));
  for (const builder of [server.effects().forAccount(maker.publicKey()), server.effects().forLedger(payment.ledger), server.effects().forTransaction(payment.hash), server.effects().forOperation(operation.id)]) {
    assert.ok((await records(builder)).length > 0);
  }
});
await check("trades are found by pair, account, offer and type", async () => {
  const [offer] = await records(server.offers().forAccount(maker.publicKey()));
  for (const builder of [server.trades().forAssetPair(gold, native), server.trades().forAccount(maker.publicKey()), server.trades().forOffer(offer.id), server.trades().forType("orderbook")]) {
    assert.ok((await records(builder)).length > 0);
  }
});
await check("trades are summed up by time", async () => {
  const [one] = await records(server.tradeAggregation(gold, native, 0, 2e12, 60000, 0));
  assert.ok(Number(one.trade_count) > 0);
  assert.equal(one.high, "2.0000000");
});
await check("a ledger is read and leads to what it holds", async () => {
  const one = await server.ledgers().ledger(payment.ledger).call();
  assert.equal(one.sequence, payment.ledger);
  assert.equal((await one.transactions()).records[0].hash, payment.hash);
  assert.ok(xdr.LedgerHeader.fromXDR(one.header_xdr, "base64"));
});
await check("the ledger before the first is gone", async () => {
  assert.equal((await refused(server.ledgers().ledger(0).call())).status, 410);
});
await check("pages lead forward and back", async () => {
  const first = await server.ledgers().limit(2).call();
  const second = await first.next();
  assert.deepEqual(first.records.map((one) => one.sequence), [1, 2]);
  assert.deepEqual(second.records.map((one) => one.sequence), [3, 4]);
  assert.deepEqual((await second.prev()).records.map((one) => one.sequence), [2, 1]);
});
await check("an order from the end is kept", async () => {
  const [last, before] = await records(server.ledgers().order("desc").limit(2));
  assert.equal(last.sequence, before.sequence + 1);
});

// streams

for (const noun of ["ledgers", "transactions", "operations", "payments", "effects", "trades"]) {
  await check(`${noun} are streamed from the beginning`, async () => {
    const record = await next((options) => server[noun]().cursor("0").stream(options));
    assert.ok(record.paging_token);
  });
}
await check("only new ledgers are streamed from now on", async () => {
  const { history_latest_ledger: latest } = await server.root();
  const record = await next((options) => server.ledgers().cursor("now").stream(options));
  assert.ok(record.sequence > latest);
});
await check("an account is streamed", async () => {
  const record = await next((options) => server.accounts().accountId(maker.publicKey()).stream(options));
  assert.equal(record.account_id, maker.publicKey());
});
await check("an order book is streamed", async () => {
  assert.ok((await next((options) => server.orderbook(gold, native).stream(options))).asks);
});
await check("an account's offers are streamed", async () => {
  assert.equal((await next((options) => server.offers().forAccount(maker.publicKey()).stream(options))).seller, maker.publicKey());
});

// the second address, and what strangers do

await check("the late address is late and says so", async () => {
  const root = await new Horizon.Server(replica, { allowHttp: true }).root();
  assert.ok(root.core_latest_ledger > root.history_latest_ledger);
});
await check("what is posted to the late address is answered once it has seen it", async () => {
  const late = new Horizon.Server(replica, { allowHttp: true });
  const done = await late.submitTransaction(await build(taker, [Operation.bumpSequence({ bumpTo: "0" })]));
  assert.equal((await late.transactions().transaction(done.hash).call()).hash, done.hash);
});
await check("a strange operation in an account's history does not stop its reader", async () => {
  await fetch(`${url}/localnet/foreign?account=${issuer.publicKey()}&kind=unknown`, { method: "POST" });
  await apply(issuer, Operation.bumpSequence({ bumpTo: "0" }));
  const all = await records(server.operations().forAccount(issuer.publicKey()).limit(200));
  assert.ok(all.some((one) => one.type === "unknown"));
  const [strange] = all.filter((one) => one.type === "unknown");
  const transaction = await server.transactions().transaction(strange.transaction_hash).call();
  assert.throws(() => TransactionBuilder.fromXDR(transaction.envelope_xdr, passphrase));
});
await check("a balance is claimed", async () => {
  await apply(taker, Operation.claimClaimableBalance({ balanceId: balance.id }));
  await assert.rejects(server.claimableBalances().claimableBalance(balance.id).call(), sdk.NotFoundError);
});

console.log(JSON.stringify(found));
process.exit(0);
