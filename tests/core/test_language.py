"""Languages are told right, or not at all."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from places import SHARED

from sysgen_local.core.language import NAMES, language_of, name_of, row_language
from sysgen_local.core.records import Conversation, Turn

QUALITY = SHARED / "quality"

INSTRUCTIONS = {
    "en": [
        "Write a poem about rain.",
        "What is the capital of Peru?",
        "Fix this sentence: he go home yesterday.",
        "Give me three names for a cat.",
        "Summarise the text below in one paragraph.",
    ],
    "de": [
        "Schreibe ein Gedicht über den Regen.",
        "Was ist die Hauptstadt von Peru?",
        "Erkläre mir kurz, wie ein Motor funktioniert.",
        "Nenne drei Namen für eine Katze.",
        "Wie viele Beine hat eine Spinne?",
    ],
    "fr": [
        "Écris un poème sur la pluie.",
        "Quelle est la capitale du Pérou ?",
        "Explique en deux phrases le fonctionnement d'un moteur.",
        "Donne-moi trois noms pour un chat.",
        "Corrige les fautes de ce texte.",
    ],
    "es": [
        "Escribe un poema sobre la lluvia.",
        "¿Cuál es la capital de Perú?",
        "Dame tres nombres para un gato.",
        "Resume el texto en un párrafo.",
        "Explica cómo funciona un motor.",
    ],
    "it": [
        "Scrivi una poesia sulla pioggia.",
        "Qual è la capitale del Perù?",
        "Dammi tre nomi per un gatto.",
        "Riassumi il testo in un paragrafo.",
        "Spiega come funziona un motore.",
    ],
    "pt": [
        "Escreva um poema sobre a chuva.",
        "Qual é a capital do Peru?",
        "Dê-me três nomes para um gato.",
        "Resuma o texto em um parágrafo.",
        "Explique como funciona um motor.",
    ],
    "nl": [
        "Schrijf een gedicht over de regen.",
        "Wat is de hoofdstad van Peru?",
        "Geef me drie namen voor een kat.",
        "Vat de tekst samen in één alinea.",
        "Leg uit hoe een motor werkt.",
    ],
    "pl": [
        "Napisz wiersz o deszczu.",
        "Jaka jest stolica Peru?",
        "Podaj trzy imiona dla kota.",
        "Streść tekst w jednym akapicie.",
        "Wyjaśnij, jak działa silnik.",
    ],
    "tr": [
        "Yağmur hakkında bir şiir yaz.",
        "Peru'nun başkenti neresidir?",
        "Bir kedi için üç isim öner.",
        "Metni tek paragrafta özetle.",
        "Bir motorun nasıl çalıştığını açıkla.",
    ],
    "ru": [
        "Напиши стихотворение о дожде.",
        "Какая столица Перу?",
        "Предложи три имени для кошки.",
        "Кратко изложи текст.",
        "Объясни, как работает двигатель.",
    ],
    "ar": [
        "اكتب قصيدة عن المطر.",
        "ما هي عاصمة بيرو؟",
        "أعطني ثلاثة أسماء لقطة.",
        "لخص النص في فقرة واحدة.",
        "اشرح كيف يعمل المحرك.",
    ],
    "zh": [
        "写一首关于雨的诗。",
        "秘鲁的首都是哪里？",
        "给一只猫起三个名字。",
        "用一段话总结下面的文字。",
        "请解释发动机的工作原理。",
    ],
}
SCARCER = {
    "ja": [
        "雨についての詩を書いてください。",
        "ペルーの首都はどこですか？",
    ],
    "ko": [
        "비에 대한 시를 써 주세요.",
        "페루의 수도는 어디입니까?",
    ],
    "hi": [
        "बारिश पर एक कविता लिखो।",
        "पेरू की राजधानी क्या है?",
    ],
    "th": [
        "เขียนบทกวีเกี่ยวกับฝน",
        "เมืองหลวงของเปรูคือที่ไหน",
    ],
    "el": [
        "Γράψε ένα ποίημα για τη βροχή.",
        "Ποια είναι η πρωτεύουσα του Περού;",
    ],
    "he": [
        "כתוב שיר על הגשם.",
        "מהי בירת פרו?",
    ],
    "fi": [
        "Kirjoita runo sateesta.",
        "Mikä on Perun pääkaupunki?",
    ],
    "hu": [
        "Írj egy verset az esőről.",
        "Mi Peru fővárosa?",
    ],
    "ro": [
        "Scrie o poezie despre ploaie.",
        "Care este capitala statului Peru?",
    ],
    "uk": [
        "Напиши вірш про дощ.",
        "Яка столиця Перу?",
    ],
    "fa": [
        "شعری درباره باران بنویس.",
        "پایتخت پرو کجاست؟",
    ],
    "vi": [
        "Viết một bài thơ về mưa.",
        "Thủ đô của Peru là gì?",
    ],
    "bn": [
        "বৃষ্টি নিয়ে একটি কবিতা লেখো।",
    ],
    "ta": [
        "மழை பற்றி ஒரு கவிதை எழுது.",
    ],
    "ur": [
        "بارش پر ایک نظم لکھو۔",
    ],
    "sv": [
        "Vad heter huvudstaden i Peru, och hur många bor där?",
    ],
    "cs": [
        "Jaké je hlavní město Peru?",
    ],
    "da": [
        "Hvad hedder hovedstaden i Peru, og hvor mange bor der?",
    ],
    "id": [
        "Tulislah puisi tentang hujan.",
    ],
    "bg": [
        "Напиши стихотворение за дъжда.",
        "Коя е столицата на Перу?",
    ],
}
CODE = [
    "def f(x):\n    return x + 1",
    "for (int i = 0; i < n; i++) { sum += a[i]; }",
    "SELECT name FROM users WHERE age > 30;",
    "x^2 + 3x - 4 = 0",
    "\\frac{a}{b} = \\sqrt{c^2 + d^2}",
    "$\\int_0^1 x^2 dx = 1/3$",
    "12 * (3 + 4) = 84",
    "E = mc^2",
    "import numpy as np\nprint(np.zeros(3))",
    "console.log(a.map(x => x * 2));",
    "#include <stdio.h>\nint main(void) { return 0; }",
    "sin(x) + cos(y) = tan(z)",
    "lim_{n \\to \\infty} a_n = 0",
    '<div class="a"><p>x</p></div>',
    'git commit -m "fix"',
    "ls -la /usr/bin | grep python",
    "a = b + c; d = a / 2",
    "1, 1, 2, 3, 5, 8, 13",
    "\\boxed{42}",
    '{"id": 3, "tags": ["x", "y"]}',
    "α + β = γ",
    "if x > 3:\n    print(x)\nelse:\n    pass",
    "public static void main(String[] args) { return; }",
    "A ∪ B = {x | x ∈ A}",
    "H2O + CO2 -> H2CO3",
    "",
    "123",
    "😀😀",
]


@pytest.mark.parametrize("code", INSTRUCTIONS)
def test_short_instructions(code):
    told = [language_of(text) for text in INSTRUCTIONS[code]]
    assert set(told) <= {code, None}
    assert told.count(code) >= 4


@pytest.mark.parametrize("code", SCARCER)
def test_scarcer_languages(code):
    assert [language_of(text) for text in SCARCER[code]] == [code] * len(SCARCER[code])


@pytest.mark.parametrize("text", CODE)
def test_code_and_formulas_have_no_language_or_are_english(text):
    assert language_of(text) in ("en", None)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Erkläre diesen Code:\n```python\nfor item in the_list:\n    print(item)\n```", "de"),
        ("Résous l'équation $x^2 + 3x = 4$ et explique chaque étape.", "fr"),
        ("请用 Python 写一个函数，读取 CSV 文件。", "zh"),
        ("You can use the `stringstream` class from the <sstream> library.", "en"),
        ("The user costs $5 and $6 each.", "en"),
        ("Siehe https://example.org/the/user/manual für die Einzelheiten.", "de"),
        ("git push is what the user asked about", "en"),
    ],
)
def test_code_formulas_and_addresses_are_left_out(text, code):
    assert language_of(text) == code


ROWS = [
    ("en", "Translate 'Guten Morgen' into English", "Good morning"),
    (
        "en",
        "Translate into English:\n\nDas Wetter ist schön und wir gehen in den Park.",
        "The weather is nice today.",
    ),
    ("en", "Translate to German: The weather is nice today.", "Das Wetter ist heute schön."),
    ("en", "Translate 你好世界，今天天气很好 into English", "Hello world"),
    ("zh", "把 How are you my friend 翻译成中文", "你好吗，我的朋友"),
    ("zh", "把下面的句子翻译成英文：\nThe weather", "The weather"),
    ("zh", "请把“今天天气很好”翻译成英文。", "The weather is nice today."),
    (
        "de",
        'Übersetze "The early bird catches the worm" ins Deutsche.',
        "Der frühe Vogel fängt den Wurm.",
    ),
    (
        "en",
        "Bonjour tout le monde, comment allez-vous ?\n\nTranslate this into English.",
        "Hello everyone, how are you today?",
    ),
    (
        "en",
        "Bonjour tout le monde, comment allez-vous ?\n\nWhat does this mean?",
        "It means hello everyone, how are you today.",
    ),
    ("fr", "Traduisez en espagnol : La maison est grande et belle.", "La casa es grande y bella."),
    ("en", "Write a haiku in Japanese about the sea.", "海の音\n波が静かに\n眠る夜"),
    ("en", "What is the Spanish word for 'library'?", "biblioteca"),
    (
        "es",
        "¿Qué diferencia hay entre una lista y una tupla ?\n```python\nx = [1, 2]\n```",
        "Una lista se puede modificar.",
    ),
    ("en", "2 + 2 = ?", "The sum of two and two is four."),
    (None, "2 + 2 = ?", "4"),
    ("en", "def f(x):\n    return x\n\nExplain this function.", "It returns its argument."),
    ("ja", "次の文を英語に翻訳してください：「今日はいい天気です」", "The weather is nice today."),
    (
        "ja",
        "このコードを説明してください。\n```python\nprint('hello world')\n```",
        "helloと表示します。",
    ),
    ("ko", "다음 문장을 영어로 번역해 주세요: 오늘 날씨가 좋습니다.", "The weather is nice today."),
    ("ru", "Переведи на английский: «Сегодня хорошая погода»", "The weather is nice today."),
    (
        "en",
        "Summarise this article:\n\nLe gouvernement a annoncé une réforme.",
        "The government announced a reform.",
    ),
    (
        "de",
        "Fasse den folgenden Text zusammen.\n\nThe government announced a reform.",
        "Die Regierung hat eine Reform angekündigt.",
    ),
    ("en", "Which language is this sentence written in? Il fait beau aujourd'hui.", "French"),
    (
        "en",
        "Classify the sentiment: Me encanta este restaurante, la comida es increíble.",
        "positive",
    ),
    (
        "en",
        "Correct the grammar of the German sentence: Ich habe gestern in den Kino gegangen.",
        "Ich bin gestern ins Kino gegangen.",
    ),
    ("hi", "इस वाक्य का अंग्रेज़ी में अनुवाद करें: मैं घर जा रहा हूँ।", "I am going home."),
    ("ar", "ترجم الجملة التالية إلى الإنجليزية: الطقس جميل اليوم.", "The weather is nice today."),
    ("en", 'What does "carpe diem" mean?', "Seize the day"),
    ("en", "Fix this", "OK"),
    ("th", "แปลเป็นภาษาอังกฤษ: วันนี้อากาศดี", "The weather is nice."),
]


def conversation(*texts: str) -> Conversation:
    roles = ("user", "assistant")
    return Conversation(tuple(Turn(roles[i % 2], text) for i, text in enumerate(texts)), 1)


@pytest.mark.parametrize(("code", "question", "answer"), ROWS)
def test_a_row_is_in_the_language_of_its_instruction(code, question, answer):
    assert row_language(conversation(question, answer)) == code


def test_of_several_turns_the_most_frequent_language_counts():
    german = (
        "Erzähl mir einen Witz über Katzen.",
        "Warum?",
        "Und einen über Hunde, bitte.",
        "Wau.",
    )
    assert row_language(conversation("Hi", "Hello, how can I help?", *german)) == "de"
    assert row_language(conversation("Tell me a joke about cats.", "Why?", "123", "4")) == "en"


def read(name: str) -> list[Conversation]:
    if not (QUALITY / name).is_file():
        pytest.skip(f"{name} is not at hand")
    rows = [json.loads(line) for line in (QUALITY / name).read_text("utf-8").splitlines()]
    return [conversation(row["instruction"], row["output"]) for row in rows]


def test_public_rows():
    assert [row_language(row) for row in read("rows.jsonl")] == ["en"] * 27
    found = [row_language(row) for row in read("languages.jsonl")]
    assert found == "zh zh ja de ar ru hi es".split()


def test_every_language_has_a_name():
    assert name_of("de") == "German"
    assert name_of("pt-BR") == "Portuguese"
    assert name_of("tlh") == "tlh"
    assert len(NAMES) >= 60
    assert set(INSTRUCTIONS) | set(SCARCER) <= set(NAMES)


def test_the_library_is_loaded_when_it_is_needed():
    code = (
        "import sys; from sysgen_local.core.language import language_of\n"
        "before = 'py3langid' in sys.modules; told = language_of('Wie geht es dir?')\n"
        "print(before, told, 'py3langid' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["False", "de", "True"]
