"""Pairs of answers, labelled by hand: does the second state the first one's final result?

Written for these tests. A line: name of the original, right or not, the new answer.
"""

from __future__ import annotations

from typing import NamedTuple

ORIGINALS: dict[str, tuple[str, str]] = {
    "clips": (
        "Lena sold 48 clips in April and half as many in May. How many clips did "
        "she sell altogether?",
        "Lena sold 48/2 = <<48/2=24>>24 clips in May.\n"
        "She sold 48+24 = <<48+24=72>>72 clips.\n"
        "#### 72",
    ),
    "money": (
        "A ticket costs $6. Omar buys 3 tickets and pays with a $50 note. How much "
        "change does he get?",
        "The tickets cost 3 * 6 = $18. He gets 50 - 18 = $32 back.\nSo Omar gets $32 change.",
    ),
    "fraction": (
        "A tank of 8 litres holds 6 litres. What fraction of the tank is full?",
        "6 of 8 litres is $\\frac{6}{8} = \\frac{3}{4}$. The answer is $\\boxed{\\frac{3}{4}}$.",
    ),
    "percent": (
        "In a class of 40, 20 pupils own a bike. What percentage of the pupils own a bike?",
        "20 / 40 = 0.5, which is 50%. The answer is 50%.",
    ),
    "large": (
        "A farm sells 250 crates of 40 eggs each day for 5 days. How many eggs does it sell?",
        "250 * 40 = 10,000 eggs a day. 10,000 * 5 = 50,000. The farm sells 50,000 eggs.",
    ),
    "hours": (
        "Mia reads 30 pages an hour. Her book has 75 pages. How many hours does she need?",
        "75 / 30 = 2.5. She needs 2.5 hours.\n#### 2.5",
    ),
    "third": (
        "Three friends share a bill of $100. How much does each of them pay?",
        "100 / 3 = 33.33. The answer is $33.33.",
    ),
    "option": (
        "Which planet is the largest?\nA) Mars\nB) Jupiter\nC) Venus\nD) Earth",
        "The largest planet is Jupiter. The answer is B.",
    ),
    "option value": (
        "What is 12 times 12?\nAnswer Choices: (A) 124 (B) 122 (C) 144 (D) 142 (E) 148",
        "12 * 12 = 144, so the answer is (C).",
    ),
    "formula": (
        "Factor x^2 - 9.",
        "It is a difference of squares: $\\boxed{(x-3)(x+3)}$",
    ),
    "root": (
        "What is the diagonal of a square with side 3?",
        "By Pythagoras it is $\\sqrt{18} = 3\\sqrt{2}$. So the diagonal is $\\boxed{3\\sqrt{2}}$.",
    ),
    "yes": ("Is 97 a prime number?", "Yes"),
    "no": ("Can a square have five sides?", "No."),
    "mood": (
        "Classify the review as positive, negative or mixed.\n"
        "The food was great and so was the view.",
        "Positive",
    ),
    "capital": ("What is the capital of Australia?", "Canberra"),
    "date": ("When did the first human land on the Moon?", "20 July 1969"),
    "german": (
        "Ein Bäcker backt 15 Brote pro Stunde und arbeitet 6 Stunden. Wie viele Brote backt er?",
        "Er backt 15 * 6 = 90 Brote.\n#### 90",
    ),
    "chinese": (
        "小明有15个苹果，又买了8个，送给同学5个。他还有多少个苹果？",
        "15 + 8 - 5 = 18。\n#### 18",
    ),
    "french": (
        "Un train roule à 120 km/h pendant 2,5 heures. Quelle distance parcourt-il ?",
        "120 × 2,5 = 300. La réponse est 300 km.",
    ),
    "spanish": (
        "Ana tiene 35 euros y gasta 12. ¿Cuántos euros le quedan?",
        "35 - 12 = 23. A Ana le quedan 23 euros.",
    ),
    "negative": (
        "It is 4 degrees and it gets 11 degrees colder. What is the temperature then?",
        "4 - 11 = -7. The answer is -7 degrees.",
    ),
    "paint": (
        "A wall is 4 m high and 6 m wide. One can of paint covers 10 square "
        "metres. How many cans does Sue need for two coats?",
        "The wall has 4*6 = <<4*6=24>>24 square metres.\n"
        "Two coats are 2*24 = <<2*24=48>>48 square metres.\n"
        "That is 48/10 = 4.8, so she needs 5 cans.\n"
        "#### 5",
    ),
    "savings": (
        "Ken saves $15 a week. He wants a game for $90 and has $30 already. How "
        "many weeks must he save?",
        "He needs 90 - 30 = $60. 60 / 15 = 4.\n#### 4",
    ),
    "ages": (
        "Ada is twice as old as Ben. In 6 years she will be 30. How old is Ben now?",
        "Ada is 30 - 6 = 24 now. Ben is 24 / 2 = 12. The answer is 12.",
    ),
    "speed": (
        "A cyclist rides 54 km in 3 hours. What is her average speed?",
        "54 / 3 = 18. The answer is 18 km/h.",
    ),
    "profit": (
        "A shop buys 40 lamps at $12 and sells all of them at $20. How much profit does it make?",
        "Each lamp brings 20-12 = $8. 40*8 = $320.\n#### 320",
    ),
    "eggs": (
        "A hen lays 5 eggs a week. How many eggs do 7 hens lay in 4 weeks?",
        "7 hens lay 35 eggs a week. In 4 weeks they lay 35 * 4 = 140 eggs.",
    ),
    "discount": (
        "A coat of $80 is reduced by 15%. What does it cost now?",
        "15% of 80 is 12. 80 - 12 = 68. The answer is $68.",
    ),
    "ratio": (
        "Red and blue beads are mixed 3 to 5. There are 40 beads. How many are red?",
        "3/8 of 40 is 15.\n\\boxed{15}",
    ),
    "equation": (
        "Solve 3x + 7 = 22.",
        "3x = 15, so $x = 5$. The final answer is $\\boxed{x = 5}$.",
    ),
    "mc": (
        "A car uses 6 l per 100 km. How much does it use for 250 km?\n"
        "(A) 12 l (B) 15 l (C) 18 l (D) 20 l",
        "For 250 km it needs 2.5 * 6 = 15 l.\nAnswer: (B)",
    ),
    "author": ("Who wrote the play Hamlet?", "William Shakespeare"),
    "spam": ('Is this message spam or not spam? "You have won a prize, click here!"', "spam"),
    "zh2": ("一支笔3元，小红买了7支，付了50元，应找回多少元？", "7*3=21，50-21=29。答案是29元。"),
    "ru": (
        "У Пети было 18 марок, он отдал треть сестре. Сколько марок у него осталось?",
        "18 / 3 = 6. 18 - 6 = 12.\n#### 12",
    ),
}


class Pair(NamedTuple):
    original: str
    right: bool
    answer: str


PAIRS = [
    Pair("clips", True, "In May she sold 24 clips. Altogether she sold 48 + 24 = 72 clips."),
    Pair("clips", True, "**Total: 72 clips**"),
    Pair("clips", True, "She sold seventy-two clips altogether."),
    Pair("clips", True, "Step 1: 48 / 2 = 24\nStep 2: 48 + 24 = 72\n\n\\[\\boxed{72}\\]"),
    Pair("clips", True, "- April: 48\n- May: 24\n- **Sum:** 72"),
    Pair("clips", True, "72 clips. She sold 48 in April, and half of that, 48/2 = 24, in May."),
    Pair(
        "clips", True, "So Lena sold 72 clips in 2 months. Let me know if you have 1 more question!"
    ),
    Pair("clips", True, "May: $48 \\div 2 = 24$. Total: $48 + 24 = 72$."),
    Pair("clips", True, "| month | clips |\n|---|---|\n| April | 48 |\n| May | 24 |\n\nTotal: 72"),
    Pair(
        "clips", True, "The answer is 72. To check: 72 - 24 = 48, which is what she sold in April."
    ),
    Pair("clips", True, "Half of 48 is 24. Adding both gives:\n\n48 + 24 = **72**\n\n#### 72"),
    Pair("clips", True, "```python\napril = 48\nprint(april + april // 2)\n```\nThis prints 72."),
    Pair("clips", True, "In total, Lena sold 72.0 clips over the 2 months."),
    Pair(
        "clips",
        True,
        "She sold 24 clips in May.\n"
        "\n"
        "Final answer: Lena sold 72 clips altogether in April and May.",
    ),
    Pair("clips", False, "In May she sold 24 clips. So she sold 24 clips."),
    Pair("clips", False, "48 + 24 = 72, but half of them came back, so she sold 36 clips."),
    Pair("clips", False, "She sold 72 clips at first. Then 72 - 41 = 31. The answer is 31."),
    Pair("clips", False, "The answer is 72. Wait, that is wrong. She sold 96 clips."),
    Pair("clips", False, "Altogether 48 * 2 = 96 clips were sold, not 72."),
    Pair("clips", False, "#### 70"),
    Pair("clips", False, "48 + 24 ="),
    Pair("clips", False, "We need the sum of the clips sold in April and in May."),
    Pair("clips", False, "\\boxed{172}"),
    Pair("clips", False, "Lena sold 31 of the 72 clips."),
    Pair("clips", False, "In May she sold 96 clips. Together that makes 48 + 96 = 144 clips."),
    Pair("clips", False, "After 72 hours she had sold 24 clips."),
    Pair(
        "clips",
        False,
        "**Answer: 24**\n\nShe sold 48 in April, so 48 + 24 = 72 would be the sum of both months.",
    ),
    Pair("money", True, "3 × $6 = $18, and $50 − $18 = $32. Omar gets 32 dollars back."),
    Pair("money", True, "He gets thirty-two dollars."),
    Pair("money", True, "He pays $18 of his $50, so his change is $32.00."),
    Pair("money", True, "Change: 3200 cents"),
    Pair("money", True, "Your change is $32! That leaves you with enough for 5 more tickets."),
    Pair("money", False, "He pays $18 and gets $18 back."),
    Pair("money", False, "The change is 32 cents."),
    Pair("money", False, "50 - 6 = 44. Omar gets $44 change."),
    Pair("money", False, "$50 - $18 = $32, and with the tip of $2 he keeps $30."),
    Pair("fraction", True, "The tank is 3/4 full."),
    Pair("fraction", True, "0.75 of the tank is full."),
    Pair("fraction", True, "6/8 simplifies to 3/4."),
    Pair("fraction", True, "The fraction is $\\dfrac{3}{4}$."),
    Pair("fraction", True, "The tank is 75% full."),
    Pair("fraction", False, "The tank is 4/3 full."),
    Pair("fraction", False, "The tank is 3/8 full."),
    Pair("fraction", False, "2 of 8 litres are missing, so 1/4 is the answer."),
    Pair("percent", True, "50 percent of them own a bike."),
    Pair("percent", True, "20 out of 40 pupils is 50 %."),
    Pair("percent", True, "The share is 0.5."),
    Pair("percent", False, "The share is 20%."),
    Pair("percent", False, "That is 0.05."),
    Pair("large", True, "The farm sells 50000 eggs in 5 days."),
    Pair("large", True, "Die Farm verkauft insgesamt 50.000 Eier."),
    Pair("large", True, "It sells fifty thousand eggs."),
    Pair("large", True, "Over the 5 days the farm sells 50 000 eggs."),
    Pair("large", False, "The farm sells 10,000 eggs."),
    Pair("large", False, "The farm sells 5,000 eggs each day, so 25,000 in all."),
    Pair("large", False, "250 * 40 = 10,000. So in 5 days it sells 10,005 eggs."),
    Pair("hours", True, "She needs 2 1/2 hours."),
    Pair("hours", True, "75 ÷ 30 = 2.5, so she needs 2.5 hours for the 75 pages."),
    Pair("hours", True, "Mia needs 150 minutes."),
    Pair("hours", False, "She needs 2.5 minutes."),
    Pair("hours", False, "75 - 30 = 45, so Mia needs 45 hours."),
    Pair("hours", False, "She needs 3 hours, because 2.5 must be rounded up."),
    Pair("third", True, "Each of the 3 friends pays about $33.33."),
    Pair("third", True, "Each friend pays 33 1/3 dollars."),
    Pair("third", False, "Each pays $33."),
    Pair("third", False, "Each pays $300."),
    Pair("option", True, "B"),
    Pair("option", True, "**B) Jupiter**"),
    Pair("option", True, "It is Jupiter, which is more than twice as heavy as all the others."),
    Pair("option", True, "Earth and Mars are much smaller. The correct option is (B)."),
    Pair("option", True, "Option B is correct because Jupiter has the largest radius."),
    Pair("option", False, "The answer is D."),
    Pair("option", False, "Jupiter is large, but the correct choice is (A)."),
    Pair("option", False, "Venus"),
    Pair("option", False, "It may be A or B."),
    Pair("option value", True, "12 times 12 is 144."),
    Pair("option value", True, "(C) 144"),
    Pair("option value", False, "12 * 10 + 12 * 2 = 142. Answer: D"),
    Pair("option value", False, "The result is 124."),
    Pair("formula", True, "x^2 - 9 = (x - 3)(x + 3)"),
    Pair("formula", True, "The factored form is \\((x-3)(x+3)\\)."),
    Pair("formula", False, "It is (x-3)^2."),
    Pair("root", True, "The diagonal has the length $3\\sqrt{2}$."),
    Pair("root", False, "The diagonal is $2\\sqrt{3}$."),
    Pair("yes", True, "Yes, 97 has no divisors but 1 and itself."),
    Pair("yes", False, "No, 97 is not a prime number."),
    Pair("no", True, "No, a square has exactly four sides."),
    Pair("no", True, "A square cannot have five sides: it has four."),
    Pair("no", False, "Yes, it can."),
    Pair("mood", True, "The review is positive."),
    Pair("mood", True, "**Positive**: the guest praises both the food and the view."),
    Pair("mood", False, "The review is negative."),
    Pair("mood", False, "The review is not positive."),
    Pair("capital", True, "The capital of Australia is Canberra."),
    Pair("capital", True, "Canberra is the capital. It lies between Sydney and Melbourne."),
    Pair("capital", False, "The capital of Australia is Sydney."),
    Pair("capital", False, "It is not Canberra but Sydney."),
    Pair("date", True, "The first human landed on the Moon on July 20, 1969."),
    Pair("date", True, "1969-07-20"),
    Pair("date", False, "It was on July 21, 1969."),
    Pair("german", True, "Der Bäcker backt insgesamt neunzig Brote, also 90 Stück."),
    Pair("german", True, "Die Antwort ist 90."),
    Pair("german", False, "15 + 6 = 21. Die Antwort ist 21."),
    Pair("german", False, "Er backt in 90 Minuten 21 Brote."),
    Pair("chinese", True, "15加8等于23，减去5等于18。答案：18个苹果。"),
    Pair("chinese", True, "所以，小明还有18个苹果。"),
    Pair("chinese", True, "他还有十八个苹果。"),
    Pair("chinese", False, "所以，小明还有28个苹果。"),
    Pair("chinese", False, "15 + 8 = 23，所以答案是23。"),
    Pair("french", True, "Le train parcourt 300 km en 2,5 heures."),
    Pair("french", True, "La distance est de 300 kilomètres."),
    Pair("french", False, "Le train parcourt 48 km."),
    Pair("spanish", True, "A Ana le quedan 23 €."),
    Pair("spanish", False, "Ana gasta 12 euros y le quedan 22 euros."),
    Pair("negative", True, "The temperature is then −7 °C."),
    Pair("negative", True, "4 - 11 = -7, so it is -7 degrees."),
    Pair("negative", False, "It is 7 degrees."),
    Pair("negative", False, "It is 4 + 11 = 15 degrees."),
    Pair(
        "paint",
        True,
        "To find the number of cans, first calculate the area: 4 × 6 = 24 m². For "
        "two coats, 48 m² are needed. Since one can covers 10 m², Sue needs 48 ÷ "
        "10 = 4.8 cans, which rounds up to **5 cans**.",
    ),
    Pair("paint", True, "Sue needs 5 cans of paint for the two coats on her 24 m² wall."),
    Pair(
        "paint", False, "The wall has 24 m². Two coats make 48 m². So she needs 48 / 10 = 4.8 cans."
    ),
    Pair("paint", False, "4 + 6 = 10 and one can covers 10, so she needs 2 cans for two coats."),
    Pair(
        "paint",
        False,
        "She needs 3 cans, as 24 / 10 = 2.4. If she had 5 cans some would be left over.",
    ),
    Pair("savings", True, "He still needs $60, and at $15 a week this takes 4 weeks."),
    Pair("savings", True, "Weeks needed: (90 - 30) / 15 = 60 / 15 = 4 weeks"),
    Pair(
        "savings",
        True,
        "1. Subtract what he has: $90 - $30 = $60.\n"
        "2. Divide by what he saves: $60 / $15 = 4.\n"
        "\n"
        "Ken must save for 4 weeks to buy the game for $90.",
    ),
    Pair("savings", True, "Four weeks."),
    Pair("savings", False, "90 / 15 = 6, so he needs 6 weeks."),
    Pair(
        "savings",
        False,
        "He needs $60 more. In 4 weeks he has saved $60, so with the $30 he can "
        "buy it after 5 weeks.",
    ),
    Pair("savings", False, "He needs 8 weeks."),
    Pair("savings", False, "In 4 months he will have $240, so he can buy it."),
    Pair("ages", True, "Ada is 24 now, so Ben is half her age: 12 years old."),
    Pair("ages", True, "Let b be Ben's age. Then 2b + 6 = 30, so 2b = 24 and b = 12."),
    Pair(
        "ages", True, "\\[ b = \\frac{24}{2} = 12 \\]\n\nThus, Ben is currently **12** years old."
    ),
    Pair("ages", False, "In 6 years Ada is 30, so Ben is 15."),
    Pair("ages", False, "Ada is 24 and Ben will be 18 in 6 years. Ben is 18."),
    Pair("ages", False, "Ben is 12 years younger, so he is 24."),
    Pair("speed", True, "Her average speed is 54 km ÷ 3 h = 18 km/h."),
    Pair("speed", True, "She rides 18 kilometres per hour on average."),
    Pair("speed", True, "speed = distance / time = 54 / 3 = 18"),
    Pair("speed", False, "54 * 3 = 162 km/h"),
    Pair("speed", False, "Her average speed is 54 km/h."),
    Pair("profit", True, "The profit is $320: 40 lamps times $8."),
    Pair(
        "profit",
        True,
        "Cost: 40 × $12 = $480. Revenue: 40 × $20 = $800. Profit: $800 − $480 = $320.",
    ),
    Pair(
        "profit",
        True,
        "The shop makes a profit of 320 dollars on the 40 lamps, which is $8 per lamp.",
    ),
    Pair("profit", False, "The shop takes 40 × 20 = $800, so it makes $800."),
    Pair("profit", False, "The shop pays $320 for the lamps and makes a profit of $480."),
    Pair("profit", False, "Revenue is $800 and cost is $480. So the profit is $1280."),
    Pair("eggs", True, "In 4 weeks, 7 hens lay 7 × 5 × 4 = 140 eggs."),
    Pair("eggs", True, "140"),
    Pair("eggs", True, "Each week: 35 eggs. Four weeks: 140 eggs. Wonderful hens!"),
    Pair("eggs", False, "7 hens lay 35 eggs. In 4 weeks that makes 35 + 4 = 39 eggs."),
    Pair("eggs", False, "In 140 days they lay 35 eggs."),
    Pair("discount", True, "The coat now costs $68 after the 15% discount."),
    Pair("discount", True, "80 × 0.85 = 68, so it costs $68.00 now."),
    Pair("discount", True, "You save $12, so you pay only $68 for it."),
    Pair("discount", False, "The coat costs $65 now."),
    Pair("discount", False, "You save $68, so the coat costs $12."),
    Pair("discount", False, "It costs 80 - 15 = $65, a saving of $15."),
    Pair("ratio", True, "There are 3 + 5 = 8 parts, so 40 / 8 = 5 beads a part. Red: 3 × 5 = 15."),
    Pair("ratio", True, "15 of the 40 beads are red, and 25 are blue."),
    Pair("ratio", False, "25 of the 40 beads are red, and 15 are blue."),
    Pair("ratio", False, "40 / 3 is about 13 red beads."),
    Pair("equation", True, "Subtract 7: 3x = 15. Divide by 3: x = 5."),
    Pair("equation", True, "The solution is **5**."),
    Pair("equation", False, "3x = 29, so x = 29/3."),
    Pair("equation", False, "x = 15"),
    Pair("mc", True, "It uses 15 l, which is answer (B)."),
    Pair("mc", True, "2.5 times 6 l makes 15 l."),
    Pair("mc", True, "**B**\n\n6 l per 100 km makes 15 l for 250 km."),
    Pair("mc", False, "It uses 18 l, which is answer (C)."),
    Pair("mc", False, "(D)"),
    Pair("author", True, "Hamlet was written by William Shakespeare around 1600."),
    Pair("author", False, "Hamlet was written by Christopher Marlowe."),
    Pair("spam", True, "This message is spam."),
    Pair("spam", False, "This message is not spam."),
    Pair("zh2", True, "七支笔一共21元，所以应找回29元。"),
    Pair("zh2", False, "七支笔一共21元，所以应找回21元。"),
    Pair("zh2", True, "答：应找回29元。"),
    Pair("ru", True, "У Пети осталось 12 марок."),
    Pair("ru", False, "Петя отдал 6 марок, значит, у него осталось 6 марок."),
    Pair("ru", True, "Он отдал 6 марок, поэтому у него осталось 18 - 6 = 12 марок."),
]
