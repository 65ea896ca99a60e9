"""Texts that tokenizers are compared on. Written for this purpose."""

TEXTS = [
    # Prose.
    "The harbour was quiet when the first boat came in. Nobody had expected her before noon, and the crane stood idle, "
    "its hook swinging a little in the wind off the sea. \"You're early,\" said the harbour master; \"we'll have to wait.\"",
    "It wasn't that they'd forgotten: they hadn't been told. I'm sure he'd say the same, as you've said. IT'S WHAT WE'RE "
    "HERE FOR, SHE'LL SAY. Rock 'n' roll, 'twas ever thus; the dogs' bowls and O'Neill's coat.",
    "In 1987 there were 12,345 of them, by 2024 only 678; that is 5.49% (or 1/18), about 3.2e-4 a day, +49-30-1234567.",
    # Languages.
    "Der Überzug über dem großen Stuhl ist grün-weiß gestreift; Fußgänger dürfen ihn nicht benützen, außer sonntags.",
    "L'été dernier, nous avons déjeuné à côté du château où l'œuvre d'Élise fut exposée. Ça alors ! C'est là-bas.",
    "El pingüino soñó con una canción: ¿dónde está el niño? ¡Allí, mañana! Não há ação sem coração.",
    "Zażółć gęślą jaźń. Příliš žluťoučký kůň. Türkiye'nin İstanbul şehri ışıl ışıl. Đường phố Hà Nội rất đẹp.",
    "Старый маяк стоял на краю мыса, и никто не помнил, кто его построил. Ещё вчера он светил — сегодня нет.",
    "Ο παλιός φάρος στεκόταν στην άκρη του ακρωτηρίου. Πού είναι η θάλασσα;",
    "كانت المدينة القديمة هادئة في الصباح، ولم يكن أحد في السوق. العدد ١٢٣٤٥ كبير.",
    "הנמל היה שקט כאשר הסירה הראשונה הגיעה. שָׁלוֹם לכולם!",
    "पुराना प्रकाशस्तंभ समुद्र के किनारे खड़ा था। क्या वह १२३ साल का है?",
    "ท่าเรือเงียบสงบเมื่อเรือลำแรกเข้ามา ไม่มีใครคาดคิด",
    "港口很安静，第一艘船进来的时候，没有人在等它。他说：“你来早了！”价格是１２３元。",
    "港は静かだった。最初の船が入ってきたとき、カモメだけが鳴いていた。ﾃｽﾄ、テスト。",
    "항구는 조용했고 첫 배가 들어왔을 때 아무도 없었다. 한국어 띄어쓰기는 어렵다.",
    # Code.
    "fn main() {\n    let mut total = 0_u64;\n    for (index, value) in values.iter().enumerate() {\n"
    "        total += *value * index as u64; // weighted\n    }\n\n    println!(\"{total:>8}\");\n}\n",
    "class HTTPServerError(Exception):\n\tdef __init__(self, code=500):\n\t\tsuper().__init__(f\"{code!r}\")\n\n\n"
    "if __name__ == \"__main__\":\n\traise HTTPServerError(0xFF)\n",
    "{\"name\": \"camelCaseValue\", \"list\": [1, 22, 333, 4444, 55555], \"path\": \"C:\\\\temp\\\\x\", \"ok\": null}\r\n\r\n",
    "SELECT a.id, COUNT(*) FROM a JOIN b ON a.id=b.a_id WHERE b.x<>'y''z' GROUP BY 1;--done\n/* https://a.example/b?c=d&e#f */",
    # White space.
    " ", "  ", "   ", "\t", "\n", "\r\n", "\n\n\n", " \n ", "\n \n", " \t\n\r\n  x", "a  b   c    d     e",
    "  leading", "trailing  ", "\u00a0no\u00a0break\u3000wide\u2009thin\u0085next", "a\n\n  \n b\t\tc \n", "x \u2581 y\u2581z",
    # Symbols.
    "🦙🚀 👩‍👩‍👧‍👦 👍🏽 🇩🇪🇯🇵 ☃️ ❤️‍🔥 1️⃣", "!!! ??? ... --- *** ### === ;;; //\n//\n", "€5, £6, ¥7 ± 0.5°C ≠ ∞ → ∑½¾Ⅷ²₃①",
    "'s't'm'd'll're've'S'T'LL 'ſ ''s", "e\u0301tude re\u0301sume\u0301 n\u0303 \u1100\u1161\u11a8 A\u030a \u0301x",
    "ǅungla ʰaspirated ªº ﬁne ﬆ Ⅷ ΑΒγ", "aAbBccDDeeFF iPhoneXR mRNA eBay McDonald XMLHttpRequest OpenAIをつかう日本X",
    # Bytes.
    "\x00\x01\x02\x1b[0m\x7f\u200b\ufeff\ufffd\ufffd", "\U0010ffff\ue000\U000f0000", "ÿ\u0378\u2fe0",
    "a" * 70, "ab" * 60, "=" * 130, " " * 67 + "x", "\n" * 9 + "y", "日" * 55, "🦙" * 20, "0123456789" * 8,
    # Control tokens, spelled.
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<|endoftext|><s></s><unk><tool> x<tool>y<0x0A>[INST]",
]
